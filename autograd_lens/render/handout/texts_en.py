"""The words of a handout in English."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TEXTS"]

TEXTS: Mapping[str, str] = {
    "title": "{program}: how gradient descent learned",
    "title_none": "How gradient descent learned",
    "lead": "{count} recorded steps; the loss went from {first} to {last}. "
    "All numbers come from the recording of this run.",
    "lead_one": "One recorded step, with loss {first}. All numbers come from the recording.",
    "colon": ": ",
    "comma": ", ",
    "list": ", ",
    # chapters
    "chapter_1": "1  Data",
    "chapter_2": "2  Model and initial values",
    "chapter_3": "3  Loss",
    "chapter_4": "4  Gradients",
    "chapter_5": "5  Update: walking to the best solution",
    # data
    "data_shapes": "Step {step} reads {inputs}.",
    "data_goal": "We look for the line {line} that lies nearest to the {n} points.",
    "data_rows": "The first five points",
    "data_input": "Tensor",
    "data_none": "The recording holds no input tensors of this step.",
    "shape": "Shape",
    "numbers": "Numbers",
    "name": "Name",
    "first_value": "First value",
    "scatter": "The data, with the line before the first step and after the last one.",
    "scatter_words": "Scatter plot of the data with the first and the last line",
    "line_first": "line at the start",
    "line_last": "line at the end",
    # model
    "code_missing": "The recording holds no source text, so the code cannot be shown here.",
    "parameters": "Training changes {count} numbers, all of them in the parameters:",
    "parameters_more": "and {count} more parameters",
    "start_random": "Before the first step the model is a guess. For the first point it predicts "
    "{prediction}, but the data say {truth}.",
    # loss
    "loss_is": "The loss measures how wrong the model is. Here it is half the mean of the squared "
    "errors:",
    "loss_is_mean": "The loss measures how wrong the model is. Here it is the mean of the squared "
    "errors:",
    "loss_is_scaled": "The loss measures how wrong the model is. Here it is the mean of the "
    "squared errors times a constant:",
    "loss_general": "The loss of step {step} is {loss}: one number that says how wrong the model "
    "is. Training makes it small.",
    "loss_none": "Step {step} has no single loss.",
    "forward": "The forward pass of step {step}: from the data to the loss, operation by operation",
    "line": "Line",
    "operation": "Operation",
    "first_element": "First element",
    "all_numbers": "All elements",
    "all_equal": "all {value}",
    "range": "{low} to {high}",
    "with_nan": "{count} NaN",
    "with_inf": "{count} infinite",
    "of_true": "{count} of {total} True",
    "summary": "norm {norm}",
    "not_kept": "not kept",
    "graph": "The computation graph of step {step}. Blue: values of the forward pass, left to "
    "right. Red: gradients, flowing back.",
    "graph_none": "The graph could not be drawn: {why}",
    "light": "Step {step} was recorded without its single operations, so the tables of the "
    "forward and backward pass are left out. Record it with --full {step} to have them.",
    # gradients
    "gradient_is": "The gradient of a number says how much the loss changes when that number "
    "grows a little. backward() starts with 1 at the loss and walks the graph backwards. Each "
    "node multiplies what arrives by its own derivative (the chain rule).",
    "backward": "The backward pass of step {step}, in the order PyTorch ran it",
    "node": "Node",
    "why": "What the node does, and why",
    "example": "First element, worked out",
    "passed_on": "Passed on",
    "by_hand": "By hand, with the chain rule, for {names}:",
    "agree": "autograd wrote {written} into {grad}. By hand, in double precision: {mine}. "
    "The difference is {difference}.",
    "grads": "What backward() wrote into .grad in step {step}",
    "parameter": "Parameter",
    "before": "Before",
    "incoming": "Arrived",
    "after": "After",
    "how": "How",
    "set": "set",
    "accumulate": "added",
    "zero_why": "backward() adds to .grad, it does not replace it. That is why the program "
    "clears .grad after each update. Without clearing, the second backward() would leave the "
    "sum of both gradients:",
    "zero_why_missing": "backward() adds to .grad, it does not replace it. This program did not "
    "clear .grad between its first two steps, so the second backward() left the sum:",
    "grad_first": "1st gradient",
    "grad_second": "2nd gradient",
    "grad_zeroed": ".grad, cleared",
    "grad_sum": ".grad, not cleared",
    "one_step": "The run has only one step, so there is no second backward() to compare.",
    # update
    "update_is": "Each parameter takes a small step against its gradient. With the learning rate "
    "{rate}, in step {step}:",
    "update_is_general": "The optimizer changes each parameter with the help of its gradient. In "
    "step {step}:",
    "update_none": "Step {step} changed no parameter.",
    "descent": "The way of {first} and {second} over {count} steps, on level lines of the loss: "
    "each line joins points of equal loss.",
    "descent_flat": "The way of {first} and {second} over {count} steps. Level lines are left "
    "out, because the loss is known only along the way.",
    "descent_levels": "The way of {first} and {second} over {count} steps, on level lines of the "
    "loss of step {batch}'s batch.",
    "descent_others": " All other parameters have their last values there.",
    "descent_words": "Path of the parameters from the start to the end of training",
    "start": "start",
    "end": "end",
    "best": "least squares",
    "step_n": "step {step}",
    "axis_step": "step",
    "axis_loss": "loss",
    "loss_curve": "The loss at each step.",
    "loss_words": "Loss curve, from {first} to {last}",
    "steps_shown": "The steps shown",
    "step": "Step",
    "loss": "Loss",
    "ended": "After {count} steps the run is at {w_name} = {w}, {b_name} = {b}, with loss {loss}. "
    "Least squares, the exact answer, is {best_w} and {best_b}, with loss {best_loss}. "
    "{w_name} is still {w_gap} away, {b_name} {b_gap}.",
    "ended_general": "After {count} steps the loss is {loss}.",
    "ended_nan": "The loss is not a number from step {step} on: from there the run cannot recover.",
    "no_best": "How far this is from the best solution cannot be said: only a linear regression on "
    "fixed data has an exact answer to compare with.",
    "other_rates": "With another learning rate from the same start. The largest that still "
    "converges is {limit}; computing this run the same way meets the recorded path within "
    "{deviation}.",
    "other_rates_none": "What another learning rate would have done is left out: this needs a "
    "linear regression with plain gradient descent on fixed data.",
    "tried": "The first {count} steps again, from the same start and on the same batches, with "
    "another learning rate. This was computed by executing the recorded operations, which make "
    "each recorded update of these steps bit for bit.",
    "rate": "Learning rate",
    "steps_taken": "Steps",
    "this_run": "{rate} (this run)",
    "diverges": "runs away",
    "status_exception": "The program stopped with an error: {message}",
    "status_killed": "The program was killed before it ended.",
    "status_interrupted": "The program was interrupted.",
    # why a node does what it does; n is the number of elements
    "why_mean": "The mean of {n} numbers: each counts 1/{n}.",
    "why_div": "Divided by a constant: so is the gradient.",
    "why_mul_constant": "Multiplied by a constant: so is the gradient.",
    "why_mul": "A product: the gradient of one factor is multiplied by the other one.",
    "why_pow": "A square: its derivative is twice the number.",
    "why_sub": "A difference: the gradient passes to the first term unchanged, to the second one "
    "with the other sign.",
    "why_add": "A sum: the gradient passes to each term unchanged.",
    "why_add_bias": "A sum: the gradient passes unchanged. The bias was added to all {n} rows, so "
    "its gradients add up.",
    "why_mm": "A matrix product: for the weight, each row's gradient is multiplied by its input, "
    "and all are added.",
    "why_addmm": "A linear layer: for the weight, gradients times inputs are added; for the bias, "
    "the gradients themselves.",
    "why_mse_loss": "The mean of squares: its derivative is twice the error, divided by {n}.",
    "why_sum": "A sum: each element gets the gradient unchanged.",
    "why_relu": "ReLU: the gradient passes where the input was positive, else it is 0.",
    "why_sigmoid": "Sigmoid: its derivative is s (1 − s), where s is its result.",
    "why_tanh": "tanh: its derivative is 1 − t², where t is its result.",
    "why_log_softmax": "Log-softmax: the gradient, less its sum times the probabilities.",
    "why_nll_loss": "Negative log-likelihood: only the right class gets a gradient, −1/n each.",
    "why_view": "Only the shape changed: the gradient gets the old shape back.",
    "why_accumulate": "A leaf: the gradient is stored in {name}.grad.",
    "why_convolution": "A convolution: each weight met many places of the input; its gradient adds "
    "up output gradient times input over all of them.",
    "why_max_pool": "Max pooling: only the largest number of each window gets the gradient.",
    "why_batch_norm": "Batch norm: mean and variance depend on every number of a channel, so each "
    "gradient depends on all of them.",
    "why_layer_norm": "Layer norm: mean and variance depend on every number of a row, so each "
    "gradient depends on all of them.",
    "why_embedding": "An embedding: only rows that were looked up get a gradient; a row looked up "
    "often gets the sum.",
    "why_other": "PyTorch's rule: {rule}",
    "why_unknown": "A derivative that PyTorch's table does not list.",
    # the page
    "play": "Play the run",
    "play_hint": "Drag the slider, or use the keys: ← → one event, ↑ ↓ to the next step "
    "recorded in full, Page Up and Page Down 100 steps, Home and End, Space to play.",
    "play_steps": "Step",
    "previous_event": "Previous event",
    "next_event": "Next event",
    "previous_step": "Previous step",
    "next_step": "Next step",
    "run": "Play",
    "pause": "Pause",
    "code": "Code",
    "values": "Values",
    "graph_title": "Graph",
    "graph_legend": "Blue: value. Red: gradient of the loss by this value. With … only the first "
    "element is shown.",
    "event_of": "Event {event} of {count}",
    "light_event": "recorded in brief",
    "event_forward": "Forward: {what}",
    "event_backward": "Backward: {what}",
    "event_write": "{name}.grad is set",
    "event_write_add": "The gradient is added to {name}.grad",
    "event_update": "Update: {what}",
    "event_zero": "{name}.grad is cleared",
    "event_loss": "Forward: the loss is computed",
    "event_grads": "Backward: the gradients are computed",
    "event_updates": "Update: the parameters change",
    "event_in": "gradient in",
    "event_out": "gradient for {name}",
    "tensor": "Tensor",
    "no_script": "The player needs JavaScript. The chapters below do not.",
    # worksheet
    "sheet_title": "Worksheet: one step of gradient descent by hand",
    "sheet_key": "Answer key",
    "sheet_name": "Name",
    "sheet_seed": "Sheet {seed}",
    "sheet_lead": "These n = 5 points belong to the data of {program}, rounded to two decimals. "
    "The model is {line}. A calculator is all you need; round to four decimals.",
    "sheet_start": "The parameters are {w} and {b}; the learning rate is {rate}.",
    "sheet_1": "Predict and compare: fill in the table.",
    "sheet_2": "Loss: compute it from your table.",
    "sheet_3": "Gradients: compute both from your table.",
    "sheet_4": "Update: what are the parameters after one step?",
    "sheet_5": "backward() is called a second time on the same data, before the update and without "
    "zero_grad. What do w1.grad and b1.grad hold now?",
    "sheet_6": "In one sentence: why does a training loop call zero_grad?",
    "sheet_6_answer": "backward() adds to .grad; without zero_grad the gradients of earlier steps "
    "would be added to those of this step.",
    "point": "Point",
    "prediction": "Prediction",
    "error": "Error e",
    "error_x": "e × x",
    "error_2": "e²",
}
