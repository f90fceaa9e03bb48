"""The autograd graph of the linear regression: nodes with PyTorch's formulas, and edges."""

from __future__ import annotations

from autograd_lens.trace.records import Edge

# (name, formulas, forward kernel, variable); indexes are positions.
NODES = (
    ("MeanBackward0", (("self", "grad.expand_symint(self.sym_sizes()) / self.sym_numel()"),), 5),
    (
        "DivBackward0",
        (
            ("self", "div_tensor_self_backward(grad, other, self.scalar_type())"),
            ("other", "div_tensor_other_backward(grad, self, other)"),
        ),
        4,
    ),
    ("PowBackward0", (("self", "pow_backward(grad, self, exponent)"),), 3),
    (
        "SubBackward0",
        (
            ("self", "handle_r_to_c(self.scalar_type(), grad)"),
            (
                "other",
                "handle_r_to_c(other.scalar_type(), maybe_multiply(-grad, alpha.conj()))",
            ),
        ),
        2,
    ),
    (
        "AddBackward0",
        (
            ("self", "handle_r_to_c(self.scalar_type(), grad)"),
            ("other", "handle_r_to_c(other.scalar_type(), maybe_multiply(grad, alpha.conj()))"),
        ),
        1,
    ),
    (
        "MmBackward0",
        (
            (
                "self",
                (
                    "mm_mat1_backward(grad, mat2, self.sym_sizes(), self.sym_strides(), "
                    "self.layout(), 1)"
                ),
            ),
            (
                "mat2",
                (
                    "mm_mat2_backward(grad, self, mat2.sym_sizes(), mat2.sym_strides(), "
                    "mat2.layout(), 1)"
                ),
            ),
        ),
        0,
    ),
    ("AccumulateGrad", (), None),
    ("AccumulateGrad", (), None),
)
MEAN, DIV, POW, SUB, ADD, MM, ACCUMULATE_B1, ACCUMULATE_W1 = range(8)
EDGES = (
    Edge(MEAN, 0, DIV, 0),
    Edge(DIV, 0, POW, 0),
    Edge(POW, 0, SUB, 0),
    Edge(SUB, 0, ADD, 0),
    Edge(ADD, 0, MM, 0),
    Edge(ADD, 1, ACCUMULATE_B1, 0),
    Edge(MM, 1, ACCUMULATE_W1, 0),
)
