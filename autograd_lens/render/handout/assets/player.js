"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const run = JSON.parse(byId("run").textContent);
  const words = run.words;
  const say = (text, given) => text.replace(/\{(\w+)\}/g, (_, key) => given[key]);

  const bytes = (packed) => Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const numbers = (packed) => new Float64Array(bytes(packed).buffer);
  const losses = numbers(run.losses);
  const values = numbers(run.values);
  const grads = numbers(run.grads);
  const after = numbers(run.after);
  // What the recording holds of each number: nothing, the number, or that there was none.
  const states = new Map((run.states || []).map((packed, at) => [[values, grads, after][at], bytes(packed)]));
  const width = run.names.length;
  const stepAt = (place) => (run.steps ? run.steps[place] : place);

  // As Python's "%.6g" writes it.
  const written = (number) => {
    if (Number.isNaN(number)) return "NaN";
    if (!Number.isFinite(number)) return number > 0 ? "inf" : "−inf";
    if (number === 0) return "0";
    const [digits, power] = number.toExponential(5).split("e").map((part, at) => (at ? Number(part) : part));
    if (power >= -4 && power < 6) return String(Number(number.toPrecision(6))).replace("-", "−");
    const exponent = `${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
    return `${String(Number(digits))}e${exponent}`.replace(/-/g, "−");
  };

  const held = (at, place) => {
    const state = states.has(at) ? states.get(at)[place] : 1;
    return state === 1 ? written(at[place]) : state === 2 ? "None" : words.not_kept;
  };

  const graph = document.querySelector("#player svg.graph");
  // A graph of many nodes keeps the size of its letters and is scrolled to where the run is.
  const tall = graph && graph.querySelectorAll(".node").length > 40 ? graph.parentElement : null;
  if (tall) {
    tall.classList.add("tall");
    tall.tabIndex = 0;
    graph.style.width = `${graph.dataset.width}px`;
  }
  const node = (index) => (graph && index !== null ? byId(`g-n${index}`) : null);
  const write = (index, line, text) => {
    const letters = node(index)?.querySelectorAll("text");
    if (letters && letters[line]) letters[line].textContent = text;
  };

  const state = { place: 0, event: 0, timer: 0 };

  // What is known of a step that was recorded in brief.
  const brief = (place) => {
    const leaves = Object.entries(run.graph.leaves || {});
    const row = (at) => (name) => {
      const column = run.names.indexOf(name);
      return column < 0 ? "" : held(at, place * width + column);
    };
    const filled = (line, sign, at) => leaves
      .filter(([name]) => run.names.includes(name))
      .map(([name, index]) => [index, line, `${sign} ${row(at)(name)}`]);
    const root = "root" in run.graph ? run.graph.root : null;
    const set = root === null ? [] : [[root, 1, `= ${written(losses[place])}`]];
    const table = (at, suffix) => run.names.map((name) => [name + suffix, "", row(at)(name)]);
    return [
      { phase: "forward", title: words.event_loss, node: root, set: [...set, ...filled(1, "=", values)], rows: [[words.loss, "", written(losses[place])]] },
      { phase: "backward", title: words.event_grads, node: null, set: filled(2, "∂", grads), rows: table(grads, ".grad") },
      { phase: "update", title: words.event_updates, node: null, set: [], rows: table(after, "") },
    ].map((event) => ({ line: 0, edges: [], more: "", ...event }));
  };
  const eventsOf = (place) => {
    const found = run.full[stepAt(place)];
    return found && found.length ? found : brief(place);
  };

  const point = (frame, x, y) => {
    if (!frame) return null;
    const [left, top, right, bottom] = frame.box;
    const scale = (value, [low, high], log) => (log
      ? (Math.log10(value) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))
      : (value - low) / (high - low));
    return [left + scale(x, frame.x) * (right - left), bottom - scale(y, frame.y, frame.log) * (bottom - top)];
  };

  const cells = (body, rows) => {
    body.replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      line.append(...row.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return line;
    }));
  };

  const light = (selector) => {
    document.querySelectorAll("#player .now").forEach((each) => each.classList.remove("now"));
    selector.filter(Boolean).forEach((each) => each.classList.add("now"));
  };

  const show = () => {
    const { place } = state;
    const step = stepAt(place);
    const events = eventsOf(place);
    state.event = Math.min(Math.max(state.event, 0), events.length - 1);
    const event = events[state.event];
    const updated = events.slice(0, state.event + 1).some((each) => each.phase === "update");
    const full = step in run.full;

    byId("slider").value = String(place);
    byId("slider").setAttribute("aria-valuetext", `${words.step} ${step}`);
    const count = say(words.event_of, { event: state.event + 1, count: events.length });
    byId("where").textContent = `${step} · ${words.loss} ${written(losses[place])} · ${count}${full ? "" : ` · ${words.light_event}`}`;
    byId("event-title").textContent = event.title;
    // The formulas were written by autograd_lens, with every name in them escaped.
    byId("event-more").innerHTML = event.more;
    byId("event").dataset.phase = event.phase;

    graph?.querySelectorAll(".node").forEach((each) => {
      const letters = each.querySelectorAll("text");
      [1, 2].forEach((line) => { if (letters[line]) letters[line].textContent = ""; });
    });
    events.slice(0, state.event + 1).forEach((each) => each.set.forEach(([at, line, text]) => write(at, line, text)));
    const leaf = event.parameter === undefined ? null : (run.graph.leaves || {})[event.parameter];
    const lines = [byId(`L${event.line}`)];
    const lit = node(event.node ?? leaf ?? null);
    light([...lines, lit, ...event.edges.map((edge) => byId(`g-${edge}`))]);
    if (lines[0]) {
      const room = lines[0].closest(".codes");
      const place_ = lines[0].offsetTop - room.offsetTop;
      if (place_ < room.scrollTop || place_ > room.scrollTop + room.clientHeight - 40) room.scrollTop = place_ - 60;
    }

    if (lit && tall) {
      const [room, box] = [tall.getBoundingClientRect(), lit.getBoundingClientRect()];
      tall.scrollTop += box.top - room.top - (room.height - box.height) / 2;
      tall.scrollLeft += box.left - room.left - (room.width - box.width) / 2;
    }

    cells(byId("event-rows"), event.rows);
    cells(byId("followed-rows"), run.names.map((name, column) => [
      name, ...[values, grads, after].map((at) => held(at, place * width + column)),
    ]));
    move(place, updated);
  };

  const move = (place, updated) => {
    const at = updated ? after : values;
    const dot = document.querySelector("#play-descent circle.cursor");
    const where = dot && point(run.descent, at[place * width], at[place * width + 1]);
    if (where && where.every(Number.isFinite)) {
      dot.setAttribute("cx", where[0].toFixed(1));
      dot.setAttribute("cy", where[1].toFixed(1));
    }
    const line = document.querySelector("#play-losses path.cursor");
    const across = line && point(run.lossFrame, stepAt(place), 1);
    if (across) line.setAttribute("d", `M${across[0].toFixed(1)} ${run.lossFrame.box[1]}V${run.lossFrame.box[3]}`);
  };

  const goTo = (place, event = 0) => {
    state.place = Math.min(Math.max(place, 0), run.count - 1);
    state.event = event;
    show();
  };
  const nextEvent = () => {
    if (state.event + 1 < eventsOf(state.place).length) { state.event += 1; show(); return true; }
    if (state.place + 1 < run.count) { goTo(state.place + 1); return true; }
    return false;
  };
  const previousEvent = () => {
    if (state.event > 0) { state.event -= 1; show(); } else if (state.place > 0) goTo(state.place - 1, Infinity);
  };
  const fullPlaces = Array.from({ length: run.count }, (_, place) => place).filter((place) => stepAt(place) in run.full);
  const nextFull = () => goTo(fullPlaces.find((place) => place > state.place) ?? run.count - 1);
  const previousFull = () => goTo(fullPlaces.findLast((place) => place < state.place) ?? 0);

  const stop = () => {
    clearInterval(state.timer);
    state.timer = 0;
    label(words.run);
  };
  const label = (text) => {
    byId("play").setAttribute("aria-label", text);
    byId("play").title = text;
    byId("play").querySelector("path").setAttribute("d", state.timer ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4 3l9 5-9 5z");
  };
  const play = () => {
    if (state.timer) { stop(); return; }
    state.timer = setInterval(() => { if (!nextEvent()) stop(); }, 900);
    label(words.pause);
  };

  byId("slider").max = String(run.count - 1);
  byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
  byId("first").addEventListener("click", () => goTo(state.place - 1));
  byId("last").addEventListener("click", () => goTo(state.place + 1));
  byId("back").addEventListener("click", previousEvent);
  byId("forth").addEventListener("click", nextEvent);
  byId("play").addEventListener("click", play);

  const keys = {
    ArrowLeft: previousEvent, ArrowRight: nextEvent, ArrowUp: previousFull, ArrowDown: nextFull,
    PageUp: () => goTo(state.place - 100), PageDown: () => goTo(state.place + 100),
    Home: () => goTo(0), End: () => goTo(run.count - 1, Infinity), " ": play,
  };
  // Only while the player is in use: elsewhere these keys scroll the page.
  document.addEventListener("keydown", (event) => {
    // Left and right scroll no page, so they are ours everywhere; the others inside the player.
    const ours = byId("player").contains(event.target) || /^Arrow(Left|Right)$/.test(event.key);
    const act = ours && keys[event.key];
    const pressed = event.key === " " && event.target.tagName === "BUTTON";
    if (!act || pressed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  show();
})();
