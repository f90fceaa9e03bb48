"""The words of a handout, by language."""

from __future__ import annotations

from collections.abc import Mapping

from autograd_lens.errors import RenderError

__all__ = ["LANGUAGES", "texts"]

_ENGLISH: Mapping[str, str] = {
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
    "corrections": "Adam's averages start at 0, so they are too small at first. The averages of "
    "gradients are therefore divided by 1 − β₁ᵗ, those of squares by 1 − β₂ᵗ; in step {step}, t is "
    "{t}.",
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
    "ended_one": "After one step the loss is {loss}.",
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
    "why_gets": "{name} gets {formula}. ",
    "why_formula": "Here g is the gradient that arrives.",
    "why_pytorch": "PyTorch's rule: {rule}",
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
    "zero_grad. What do {w}.grad and {b}.grad hold now?",
    "sheet_6": "In one sentence: why does a training loop call zero_grad?",
    "sheet_6_answer": "backward() adds to .grad; without zero_grad the gradients of earlier steps "
    "would be added to those of this step.",
    "point": "Point",
    "prediction": "Prediction",
    "error": "Error e",
    "error_x": "e × x",
    "error_2": "e²",
}

_CHINESE: Mapping[str, str] = {
    "title": "{program}：梯度下降是怎样学习的",
    "title_none": "梯度下降是怎样学习的",
    "lead": "共记录 {count} 步，损失从 {first} 降到 {last}。文中所有数值均取自本次运行的记录。",
    "lead_one": "只记录了一步，损失为 {first}。文中所有数值均取自本次运行的记录。",
    "colon": "：",
    "comma": "，",
    "list": "、",
    "chapter_1": "1  数据",
    "chapter_2": "2  模型与初始值",
    "chapter_3": "3  损失函数",
    "chapter_4": "4  梯度",
    "chapter_5": "5  参数更新：走向最优解",
    "data_shapes": "第 {step} 步读入 {inputs}。",
    "data_goal": "目标是找到一条直线 {line}，使它离这 {n} 个点最近。",
    "data_rows": "前五个数据点",
    "data_input": "张量",
    "data_none": "记录中没有这一步的输入张量。",
    "shape": "形状",
    "numbers": "数值",
    "name": "名称",
    "first_value": "初始值",
    "scatter": "数据点，以及训练前和训练后的直线。",
    "scatter_words": "数据散点图，含训练前后的两条直线",
    "line_first": "训练前的直线",
    "line_last": "训练后的直线",
    "code_missing": "记录中没有保存源代码，因此这里无法列出程序。",
    "parameters": "训练要调整的共有 {count} 个数，都在下列参数中：",
    "parameters_more": "另有 {count} 个参数",
    "start_random": "第一步之前，模型只是随机的猜测：对第一个点，模型的预测值为 {prediction}，"
    "而真实值为 {truth}。",
    "loss_is": "损失函数衡量模型的误差大小。这里采用误差平方的均值的一半：",
    "loss_is_mean": "损失函数衡量模型的误差大小。这里采用均方误差：",
    "loss_is_scaled": "损失函数衡量模型的误差大小。这里采用均方误差乘以一个常数：",
    "loss_general": "第 {step} 步的损失为 {loss}。它用一个数表示模型的误差大小，训练就是使它变小。",
    "loss_none": "第 {step} 步没有单一的损失值。",
    "forward": "第 {step} 步的前向传播：从数据到损失，逐个运算",
    "line": "行",
    "operation": "运算",
    "first_element": "第一个元素",
    "all_numbers": "全部元素",
    "all_equal": "全为 {value}",
    "range": "{low} 至 {high}",
    "with_nan": "{count} 个 NaN",
    "with_inf": "{count} 个无穷大",
    "of_true": "{total} 个中有 {count} 个为 True",
    "summary": "范数 {norm}",
    "not_kept": "未保存",
    "graph": "第 {step} 步的计算图。蓝色：前向传播的值，从左到右；红色：反向传播的梯度。",
    "graph_none": "计算图无法绘制：{why}",
    "light": "第 {step} 步只作了简略记录，因此省略前向传播和反向传播的表格。"
    "用 --full {step} 重新记录即可得到。",
    "gradient_is": "一个数的梯度，表示该数略微增大时损失如何变化。backward() 从损失处的 1 出发，"
    "沿计算图反向行进；每个结点把传来的梯度乘以自身的导数，这就是链式法则。",
    "backward": "第 {step} 步的反向传播，按 PyTorch 的执行顺序",
    "node": "结点",
    "why": "结点做什么，为什么",
    "example": "以第一个元素为例",
    "passed_on": "传出的梯度",
    "by_hand": "用链式法则手工推导 {names} 的梯度：",
    "agree": "自动求导写入 {grad} 的值为 {written}；"
    "用双精度手工计算得 {mine}。两者相差 {difference}。",
    "grads": "第 {step} 步中 backward() 写入 .grad 的内容",
    "parameter": "参数",
    "before": "写入前",
    "incoming": "传来的梯度",
    "after": "写入后",
    "how": "方式",
    "set": "赋值",
    "accumulate": "累加",
    "zero_why": "backward() 把梯度累加到 .grad，而不是覆盖它。因此程序在每次更新之后要把梯度清零。"
    "如果不清零，第二次 backward() 之后 .grad 里就是两次梯度之和：",
    "zero_why_missing": "backward() 把梯度累加到 .grad，而不是覆盖它。"
    "本程序在前两步之间没有把梯度清零，"
    "因此第二次 backward() 之后 .grad 里是两次梯度之和：",
    "grad_first": "第一次的梯度",
    "grad_second": "第二次的梯度",
    "grad_zeroed": "清零时的 .grad",
    "grad_sum": "不清零时的 .grad",
    "one_step": "本次运行只有一步，没有第二次 backward() 可供比较。",
    "update_is": "每个参数沿梯度的反方向走一小步。学习率为 {rate}，在第 {step} 步：",
    "update_is_general": "优化器根据梯度修改每个参数。在第 {step} 步：",
    "update_none": "第 {step} 步没有修改任何参数。",
    "corrections": "Adam 的移动平均从 0 开始，起初偏小。因此梯度的平均要除以 1 − β₁ᵗ，"
    "平方的平均要除以 1 − β₂ᵗ；在第 {step} 步中，t 等于 {t}。",
    "descent": "{first} 与 {second} 在 {count} 步中走过的路径。"
    "背景为损失的等高线，同一条线上损失相等。",
    "descent_flat": "{first} 与 {second} 在 {count} 步中走过的路径。"
    "只知道沿途的损失，因此不画等高线。",
    "descent_levels": "{first} 与 {second} 在 {count} 步中走过的路径。"
    "背景为第 {batch} 步那批数据的损失的等高线。",
    "descent_others": "其余参数取训练结束时的值。",
    "descent_words": "参数从训练开始到结束的路径",
    "start": "起点",
    "end": "终点",
    "best": "最小二乘解",
    "step_n": "第 {step} 步",
    "axis_step": "步数",
    "axis_loss": "损失",
    "loss_curve": "每一步的损失。",
    "loss_words": "损失曲线，从 {first} 到 {last}",
    "steps_shown": "所选各步",
    "step": "步",
    "loss": "损失",
    "ended": "{count} 步之后，{w_name} = {w}，"
    "{b_name} = {b}，损失为 {loss}。精确的最小二乘解是 {best_w} "
    "和 {best_b}，损失为 {best_loss}。{w_name} 还差 {w_gap}，{b_name} 还差 {b_gap}。",
    "ended_one": "训练一步之后损失为 {loss}。",
    "ended_general": "{count} 步之后，损失为 {loss}。",
    "ended_nan": "从第 {step} 步起，损失不再是数（NaN），此后训练无法恢复。",
    "no_best": "无法说明离最优解还有多远：只有在固定数据上的线性回归才有精确解可供比较。",
    "other_rates": "从同一起点出发，换用其他学习率的结果。保证收敛的最大学习率为 {limit}；"
    "用同样的方法重算本次运行，与记录的路径相差不超过 {deviation}。",
    "other_rates_none": "其他学习率的结果从略：这需要在固定数据上用普通梯度下降训练的线性回归。",
    "tried": "从同一起点出发，用同样的各批数据和另外的学习率重做前 {count} 步。"
    "结果由重新执行所记录的运算得到；这些运算能逐位重现记录中这些步的每次更新。",
    "rate": "学习率",
    "steps_taken": "步数",
    "this_run": "{rate}（本次运行）",
    "diverges": "发散",
    "status_exception": "程序因错误而终止：{message}",
    "status_killed": "程序在结束之前被强行终止。",
    "status_interrupted": "程序被中断。",
    "why_mean": "{n} 个数的平均：每个数各占 1/{n}。",
    "why_div": "除以常数：梯度也除以这个常数。",
    "why_mul_constant": "乘以常数：梯度也乘以这个常数。",
    "why_mul": "乘积：一个因子的梯度要乘以另一个因子。",
    "why_pow": "平方：导数等于这个数的两倍。",
    "why_sub": "差：梯度原样传给被减数，变号后传给减数。",
    "why_add": "和：梯度原样传给每一项。",
    "why_add_bias": "和：梯度原样传递。偏置加到了全部 {n} 行上，所以它的梯度要相加。",
    "why_mm": "矩阵乘法：对权重，每一行的梯度乘以该行的输入，再全部相加。",
    "why_addmm": "线性层：对权重，梯度乘以输入后相加；对偏置，直接把梯度相加。",
    "why_mse_loss": "均方误差：导数等于误差的两倍除以 {n}。",
    "why_sum": "求和：每个元素都得到原样的梯度。",
    "why_relu": "ReLU：输入为正时梯度原样通过，否则为 0。",
    "why_sigmoid": "Sigmoid 函数：导数为 s (1 − s)，s 是它的输出。",
    "why_tanh": "双曲正切：导数为 1 − t²，t 是它的输出。",
    "why_log_softmax": "Log-softmax：梯度减去梯度之和与概率的乘积。",
    "why_nll_loss": "负对数似然：只有正确的类别得到梯度，各为 −1/n。",
    "why_view": "只改变了形状：梯度恢复为原来的形状。",
    "why_accumulate": "叶结点：梯度存入 {name}.grad。",
    "why_convolution": "卷积：每个权重在输入的许多位置上都用到，"
    "它的梯度是各处“输出的梯度乘以输入”之和。",
    "why_max_pool": "最大池化：每个窗口中只有最大的数得到梯度。",
    "why_batch_norm": "批归一化：均值和方差取决于该通道的每个数，因此每个梯度都与所有这些数有关。",
    "why_layer_norm": "层归一化：均值和方差取决于该行的每个数，因此每个梯度都与所有这些数有关。",
    "why_embedding": "嵌入：只有被查到的行得到梯度；多次被查到的行得到各次梯度之和。",
    "why_gets": "{name} 得到 {formula}。",
    "why_formula": "其中 g 是传来的梯度。",
    "why_pytorch": "PyTorch 的求导规则：{rule}",
    "why_unknown": "PyTorch 的导数表中没有这一项。",
    "play": "回放训练过程",
    "play_hint": "拖动滑块，或使用键盘：← → 逐个事件，↑ ↓ 跳到下一个完整记录的步，"
    "Page Up 和 Page Down 每次一百步，Home 和 End 到首尾，空格键播放。",
    "play_steps": "步",
    "previous_event": "上一个事件",
    "next_event": "下一个事件",
    "previous_step": "上一步",
    "next_step": "下一步",
    "run": "播放",
    "pause": "暂停",
    "code": "代码",
    "values": "数值",
    "graph_title": "计算图",
    "graph_legend": "蓝色：值；红色：损失对该值的梯度。带 … 的只显示第一个元素。",
    "event_of": "事件 {event} / {count}",
    "light_event": "简略记录",
    "event_forward": "前向传播：{what}",
    "event_backward": "反向传播：{what}",
    "event_write": "给 {name}.grad 赋值",
    "event_write_add": "把梯度累加到 {name}.grad",
    "event_update": "参数更新：{what}",
    "event_zero": "把 {name}.grad 清零",
    "event_loss": "前向传播：计算损失",
    "event_grads": "反向传播：计算梯度",
    "event_updates": "参数更新：修改参数",
    "event_in": "传入的梯度",
    "event_out": "{name} 的梯度",
    "tensor": "张量",
    "no_script": "回放需要 JavaScript，下面的各章则不需要。",
    "sheet_title": "练习：手工完成一步梯度下降",
    "sheet_key": "参考答案",
    "sheet_name": "姓名",
    "sheet_seed": "第 {seed} 号卷",
    "sheet_lead": "下面 n = 5 个点取自 {program} 的数据，保留两位小数。模型为 {line}。"
    "只需使用计算器，结果保留四位小数。",
    "sheet_start": "参数的当前值为 {w}，{b}；学习率为 {rate}。",
    "sheet_1": "计算预测值与误差，填写表格。",
    "sheet_2": "损失：根据表格计算。",
    "sheet_3": "梯度：根据表格计算两个梯度。",
    "sheet_4": "参数更新：走一步之后，参数各是多少？",
    "sheet_5": "在更新之前、没有清零的情况下，对同样的数据再调用一次 backward()。"
    "这时 {w}.grad 和 {b}.grad 各是多少？",
    "sheet_6": "用一句话说明：训练循环为什么要调用 zero_grad？",
    "sheet_6_answer": "backward() 把梯度累加到 .grad；如果不清零，"
    "以前各步的梯度就会加到本步的梯度上。",
    "point": "点",
    "prediction": "预测值",
    "error": "误差 e",
    "error_x": "e × x",
    "error_2": "e²",
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "zh": _CHINESE}


def texts(language: str) -> Mapping[str, str]:
    """All words in a language.

    Raises:
        RenderError: There is no such language.
    """
    if language not in LANGUAGES:
        msg = f"Handouts are not written in {language!r}."
        raise RenderError(msg, hint=f"Choose one of {', '.join(LANGUAGES)}.")
    return LANGUAGES[language]
