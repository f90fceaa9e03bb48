"""The recorded run as pure data, and its file. Nothing here knows torch.

::

    records, values, template   what a run is made of
    writer                      TraceWriter: what capture queues ...
      drain                     ... its thread writes: rows (lightrows), full steps (fullsteps)
      columns, summaries, blobs     packed in blocks, large values by content
    schema                      the tables, and the seals that show damage
    reader                      Trace: opens a file (database), finished or not
      items, rows, fulls        what the tables hold, block by block (block)
      lightstep, fullstep       a step's records (lightgraph; decode, encodings)
      history, losses           arrays over all steps
    export, latest, selection, expression
"""
