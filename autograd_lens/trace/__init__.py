"""The recorded run as pure data, and its file. Nothing here knows torch.

::

    records, values, info       what a run is made of
    schema, stored, columns     how a file holds it: tables and seals, records, blocks
    writer                      TraceWriter: what capture queues, and the thread that writes it
    reader                      Trace: opens a file, finished or not
      store                     ... its database, what it defines once, its large values
      rows, fulls               ... light rows and full steps, block by block
      step                      ... the records of a light step
      history                   ... arrays over all steps
    outcomes                    what replaying came to
    graph                       the index of a step's tape
    kept                        beside the steps: surface, curvature, optimizers
    recordings                  which recording is the latest, which there are
    selection                   steps, places and w[0,3] as people write them
    cache                       what was asked for last
    export, expression
"""
