"""Ways to call backward."""

from __future__ import annotations

import torch

from tests.capture.programs.registry import See, steps


@steps(3)
def retain_graph(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(3):
        loss = (w**2).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        see(w.grad)
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None


@steps(4)
def grad_called_directly(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        (gradient,) = torch.autograd.grad((w**2).sum(), [w])
        with torch.no_grad():
            w -= 0.1 * gradient
        see(w)


@steps(4)
def backward_in_a_helper(see: See) -> None:
    def helper(loss: torch.Tensor) -> None:
        torch.autograd.backward(loss)

    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        helper((w**2).sum())
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad.zero_()
        see(w)


@steps(3)
def double_backward(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.001)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (w**3).sum()
        (gradient,) = torch.autograd.grad(loss, w, create_graph=True)
        (loss + gradient.pow(2).sum()).backward()
        optimizer.step()
        see(w, w.grad)


@steps(1)
def backward_of_a_grad(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    w.grad.sum().backward()
    see(w.grad)
    w.grad = None


@steps(3)
def only_some_inputs(see: See) -> None:
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    for _ in range(3):
        (a * b).sum().backward(inputs=[a])
        see(a.grad, b.grad)
        with torch.no_grad():
            a -= 0.1 * a.grad
        a.grad = None


@steps(2)
def several_roots(see: See) -> None:
    w = torch.ones(2, requires_grad=True)
    for _ in range(2):
        torch.autograd.backward([(w * 2).sum(), w * 3], [None, torch.ones(2)])
        see(w.grad)
        w.data -= 0.1 * w.grad
        w.grad = None


@steps(1)
def a_leaf_and_an_edge_as_roots(see: See) -> None:
    w = torch.tensor(2.0, requires_grad=True)
    w.backward()
    torch.autograd.backward(torch.autograd.graph.get_gradient_edge(w * 2))
    see(w.grad)
