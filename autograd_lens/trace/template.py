"""The structure of a full step, apart from its values.

Steps of one training loop nearly always run the same kernels in the same order, so the
structure of a full step is stored once, as a *template*, and a step adds only its *slots*:
a flat list of the values that the template refers to by position. ``decode`` puts the two
together again as records.

A template is a JSON object::

    {"specs":   [[dtype, [sizes], device], ...],
     "tensors": [[spec, role, name], ...],              position: tensor id in the step
     "strides": [[tensor, [strides]], ...],             of inputs with unusual ones
     "sources": [[file, line, end_line, column, end_column, function], ...],
     "kernels": [{"op", "args": [[name, ENC, keyword], ...], "outs": [ENC, ...], "phase",
                  "node", "backward", "source", "module", "training", "grad"}, ...],
     "backwards": [{"kind", "roots": [ENC], "gradients": [ENC], "retain_graph",
                    "create_graph", "source", "fingerprint", "error",
                    "nodes": [{"name", "formula": [[input, expression]], "kernel",
                               "saved": [{"name", "value": ENC, "tensor", "made", "note"}],
                               "variable"}, ...],
                    "edges": [[from_node, input_position, to_node, output_nr], ...],
                    "runs": [{"node", "grad_outputs": [ENC], "grad_inputs": [ENC],
                              "kernels": [index]}, ...],
                    "writes": [{"parameter", "before": ENC, "incoming": ENC, "after": ENC,
                                "mode"}, ...]}, ...],
     "updates": [{"parameter", "before": ENC, "after": ENC, "grad": ENC, "kernels": [index],
                  "source"}, ...],
     "zero_grads": [{"parameter", "before": ENC, "after": ENC, "source"}, ...],
     "omitted": [sentence, ...]}

``training`` and ``grad`` of a kernel are true, false or null, see ``Kernel``; ``gradients``
are what backward was given for its roots, or made for them itself. Recordings before these were
added lack them. ``source`` is a position in ``sources`` or null; ``made`` is the slot that holds
the saved tensor's value as the forward made it, or null. ``ENC`` is one of::

    null                    None
    ["t", tensor, slot]     a tensor and its value
    ["v", spec, slot]       a value whose tensor has no identity in the step
    ["c", slot]             a number that varies from step to step
    ["k", kind, value]      a constant; a complex number is ["k", "complex", [real, imaginary]]
    ["l", [ENC, ...]]       a list

and a slot holds raw bytes, a ``Summary``, None, or a number.
"""
