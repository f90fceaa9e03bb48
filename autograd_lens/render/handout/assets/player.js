"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const run = JSON.parse(byId("run").textContent);
  const words = run.words;
  const say = (text, given) => text.replace(/\{(\w+)\}/g, (_, key) => given[key]);
  const make = (tag, given = {}) => Object.assign(document.createElement(tag), given);
  const alone = document.body.classList.contains("view");

  // --- numbers over the run ---------------------------------------------------------------

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
  const placeOf = (step) => {
    if (!run.steps) return Math.min(Math.max(step, 0), run.count - 1);
    const found = run.steps.findIndex((each) => each >= step);
    return found < 0 ? run.count - 1 : found;
  };

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

  const rounded = (number, digits) => written(Number(number.toPrecision(digits)));

  const held = (at, place) => {
    const state = states.has(at) ? states.get(at)[place] : 1;
    return state === 1 ? written(at[place]) : state === 2 ? "None" : words.not_kept;
  };

  // --- events -------------------------------------------------------------------------------

  const state = { place: 0, event: 0, timer: 0, pace: 900, graph: -1, room: "", sheet: -1, copy: 0, by: "gradient", whole: false, hide: false, shown: true, hits: [], hit: -1 };
  const fullAt = (place) => run.full[stepAt(place)];
  const formAt = (place) => (fullAt(place) ? run.forms[fullAt(place).form] : null);
  const fullSteps = Object.keys(run.full).map(Number);
  // The form whose graph is drawn: of a step that was recorded in brief, that of the nearest other.
  const drawnAt = (place) => {
    if (fullAt(place) || !fullSteps.length) return formAt(place);
    const far = (step) => Math.abs(step - stepAt(place));
    return run.forms[run.full[fullSteps.reduce((best, step) => (far(step) < far(best) ? step : best))].form];
  };

  // Where the page is served, a click opens a step in full.
  const door = (step) => (alone && location.protocol.startsWith("http")
    ? ` <a href="/?open=${step}#step=${step}&amp;event=0">${words.open_step}</a>` : "");
  // What is known of a step that was recorded in brief.
  const brief = (place) => {
    const table = (at, suffix) => run.names.map((name, column) => [name + suffix, "", held(at, place * width + column)]);
    return [
      { p: "forward", t: words.event_loss, rows: [[words.loss, "", written(losses[place])]] },
      { p: "backward", t: words.event_grads, rows: table(grads, ".grad") },
      { p: "update", t: words.event_updates, rows: table(after, "") },
    ].map((event) => ({ g: -1, why: say(words.brief_hint, { step: stepAt(place) }) + door(stepAt(place)), ...event }));
  };
  const eventsOf = (place) => {
    const form = formAt(place);
    return form && form.events.length ? form.events : brief(place);
  };
  const rowsOf = (place, at) => {
    const event = eventsOf(place)[at];
    if (event.rows) return event.rows;
    return event.r.map(([name, shape], row) => [name, shape, fullAt(place).v[at][row]]);
  };
  const moreOf = (place, at) => {
    const event = eventsOf(place)[at];
    return event.why || (event.r ? fullAt(place).v[at][event.r.length] : "");
  };

  // --- the graph ------------------------------------------------------------------------------

  const known = new Map();
  const remembered = (key, found) => {
    if (!known.has(key)) known.set(key, found());
    return known.get(key);
  };
  // When each node's value and gradient came to be: [events of the forward, of the backward].
  const timesOf = (form, graph) => remembered(`${run.forms.indexOf(form)}/${graph}`, () => {
    const [there, back] = [new Map(), new Map()];
    form.events.forEach((event, at) => {
      if (!event.n || !(graph in event.n)) return;
      (event.k === "node" ? back : there).set(event.n[graph], at);
    });
    return [there, back];
  });
  const boxesOf = (form, graph, room) => remembered(`${run.forms.indexOf(form)}/${graph}/${room}`, () => {
    const found = new Map();
    form.graphs[graph].rooms[room].boxes.forEach((box, at) => box.copies.forEach((copy, turn) => copy.forEach((node) => found.set(node, [at, turn]))));
    return found;
  });
  const usersOf = (form, graph) => remembered(`${run.forms.indexOf(form)}/${graph}/users`, () => {
    const found = new Map();
    form.graphs[graph].out.forEach((ends, from) => ends.forEach((end) => found.set(end, [...(found.get(end) || []), from])));
    return found;
  });
  // The box that shows a node; that of a leaf is the one that uses it, where it has none.
  const boxOf = (form, graph, room, node) => {
    const boxes = boxesOf(form, graph, room);
    if (boxes.has(node)) return boxes.get(node);
    if (!(node in form.graphs[graph].variables)) return null;
    const users = usersOf(form, graph).get(node) || [];
    return boxes.get(users.find((user) => boxes.has(user))) || null;
  };
  const doors = (form, graph) => form.graphs[graph].rooms;
  const above = (form, graph, room) => {
    const parts = room.split(".");
    while (parts.length) {
      parts.pop();
      const up = parts.join(".");
      if (up in doors(form, graph)) return up;
    }
    return "";
  };
  const leafOf = (form, graph, name) => {
    const found = Object.entries(form.graphs[graph].variables).find(([, variable]) => variable === name);
    return found ? Number(found[0]) : null;
  };

  // How large a gradient is among those of its step: 0 to 5, or what stands out.
  const sizeOf = (norms, norm) => {
    if (norm === null || norm === undefined) return "none";
    if (typeof norm === "string") return "broken";
    if (norm === 0) return "zero";
    const [low, high] = norms;
    return String(high > low ? Math.round(5 * (Math.log(norm) - low) / (high - low)) : 3);
  };
  const normsOf = (full, graph, column) => {
    const sizes = full.n[graph].map((each) => each[column]).filter((norm) => typeof norm === "number" && norm > 0).map(Math.log);
    return [Math.min(...sizes), Math.max(...sizes)];
  };

  const sheetOf = (form, graph) => {
    const number = doors(form, graph)[state.room].sheet;
    return [number, byId(`sheet${number}`)];
  };

  const drawGraph = (event) => {
    const form = drawnAt(state.place);
    document.querySelectorAll(".sheet").forEach((sheet) => { sheet.hidden = true; });
    byId("rooms").replaceChildren();
    if (!form || !form.graphs.length) return;
    if (event.g >= 0 && !(event.n && state.graph in event.n)) state.graph = event.g;
    if (state.graph < 0 || state.graph >= form.graphs.length) state.graph = form.graphs.length - 1;
    const graph = state.graph;
    let node = event.n?.[graph] ?? null;
    if (event.a !== undefined) node = leafOf(form, graph, event.a);
    if (!(state.room in doors(form, graph))) state.room = "";
    while (node !== null && state.room && !boxOf(form, graph, state.room, node)) state.room = above(form, graph, state.room);
    const lit = node === null ? null : boxOf(form, graph, state.room, node);
    if (lit) [, state.copy] = lit;
    const [number, sheet] = sheetOf(form, graph);
    breadcrumb(form, graph);
    if (!sheet) return;
    sheet.hidden = false;
    const drawing = sheet.querySelector("svg.graph");
    // Letters of about the size of the page's, somewhat smaller where the whole then has room.
    const pane = byId("sheets");
    const [wanted, room] = [drawing.dataset.width * 1.45, pane.clientWidth - 12];
    drawing.style.width = `${Math.min(wanted, Math.max(room, 0.62 * wanted)).toFixed(0)}px`;
    if (state.sheet !== number) pane.scrollLeft = (pane.scrollWidth - pane.clientWidth) / 2;
    state.sheet = number;
    fill(form, graph, number);
    sheet.querySelectorAll(".now").forEach((each) => each.classList.remove("now"));
    if (!lit) return;
    const box = byId(`s${number}-b${lit[0]}`);
    box?.classList.add("now");
    if (event.k === "node") {
      form.graphs[graph].out[node].map((end) => boxOf(form, graph, state.room, end)).filter(Boolean)
        .forEach(([end]) => byId(`s${number}-e${end}_${lit[0]}`)?.classList.add("now"));
    }
    const [seen, place] = [pane.getBoundingClientRect(), box.getBoundingClientRect()];
    pane.scrollTop += place.top - seen.top - (seen.height - place.height) / 2;
    pane.scrollLeft += place.left - seen.left - (seen.width - place.width) / 2;
  };

  const fill = (form, graph, number) => {
    const full = fullAt(state.place);
    if (!full) { fillBrief(form, graph, number); return; }
    const [there, back] = timesOf(form, graph);
    const [gradients, sizes] = [normsOf(full, graph, 2), normsOf(full, graph, 3)];
    const times = [...(state.whole ? [] : there.values()), ...back.values()];
    const [began, ended] = [Math.min(...times), Math.max(...times)];
    const variables = form.graphs[graph].variables;
    doors(form, graph)[state.room].boxes.forEach((box, at) => {
      const drawn = byId(`s${number}-b${at}`);
      const letters = drawn.querySelectorAll("text");
      const copy = box.copies[Math.min(state.copy, box.copies.length - 1)];
      const last = copy[copy.length - 1];
      const [value, grad, norm, size] = full.n[graph][last];
      const begun = state.whole || last in variables || (there.get(last) ?? Infinity) <= state.event;
      const reached = state.whole || (back.get(last) ?? Infinity) <= state.event;
      const isNow = (back.get(last) === state.event || there.get(last) === state.event) && !state.shown;
      letters[1].textContent = begun && value ? `= ${isNow && !reached ? "?" : value}` : "";
      letters[2].textContent = reached ? `∂ ${isNow ? "?" : grad || (norm === null ? "None" : `norm ${norm}`)}` : "";
      if (state.by === "value") drawn.dataset.g = begun && !isNow && size !== null ? sizeOf(sizes, size) : "";
      else if (state.by === "time") {
        // When it ran last: in the backward or, before that came here, in the forward.
        const time = reached && back.has(last) ? back.get(last) : begun ? there.get(last) : undefined;
        drawn.dataset.g = time === undefined ? "" : String(Math.max(Math.round(5 * (time - began) / Math.max(ended - began, 1)), 0));
      }
      else drawn.dataset.g = reached && !isNow ? sizeOf(gradients, norm) : "";
      drawn.tabIndex = 0;
    });
  };

  // Of a step that was recorded in brief, the loss and single parameters are known.
  const fillBrief = (form, graph, number) => {
    const { variables } = form.graphs[graph];
    const updated = state.event > 1;
    doors(form, graph)[state.room].boxes.forEach((box, at) => {
      const drawn = byId(`s${number}-b${at}`);
      const letters = drawn.querySelectorAll("text");
      const column = run.names.indexOf(variables[box.copies[0][0]]);
      const place = state.place * width + column;
      const root = box.copies[0].includes(0) && graph === form.graphs.length - 1;
      letters[1].textContent = column >= 0 ? `= ${held(updated ? after : values, place)}` : root ? `= ${written(losses[state.place])}` : "";
      letters[2].textContent = column >= 0 && state.event > 0 ? `∂ ${held(grads, place)}` : "";
      drawn.dataset.g = "";
      drawn.tabIndex = 0;
    });
  };

  const breadcrumb = (form, graph) => {
    const parts = [];
    if (form.graphs.length > 1) {
      const pick = make("select", { ariaLabel: "backward" });
      form.graphs.forEach((_, at) => pick.append(make("option", { value: at, textContent: `backward ${at + 1}`, selected: at === graph })));
      pick.addEventListener("change", () => { state.graph = Number(pick.value); state.room = ""; const first = form.events.findIndex((each) => each.g === state.graph && each.k === "engine"); goTo(state.place, Math.max(first, 0)); });
      parts.push(pick);
    }
    const way = [state.room];
    while (way[0]) way.unshift(above(form, graph, way[0]));
    if (way.length > 1 || Object.keys(doors(form, graph)).length > 1) {
      way.forEach((room, at) => {
        const inside = at ? room.slice(way[at - 1] ? way[at - 1].length + 1 : 0) : words.whole_graph;
        const button = make("button", { type: "button", className: "crumb", textContent: inside, disabled: room === state.room });
        button.addEventListener("click", () => enter(room));
        parts.push(button);
      });
    }
    const copies = siblings(form, graph);
    if (copies.length > 1) {
      const pick = make("select", { ariaLabel: words.copy_of });
      copies.forEach((room) => pick.append(make("option", { value: room, textContent: room, selected: room === state.room })));
      pick.addEventListener("change", () => enter(pick.value));
      parts.push(pick);
    }
    byId("rooms").replaceChildren(...parts);
  };
  const siblings = (form, graph) => {
    if (!state.room) return [];
    const up = doors(form, graph)[above(form, graph, state.room)];
    return up.boxes.map((box) => [...new Set(box.names)]).find((names) => names.includes(state.room)) || [];
  };
  const enter = (room) => {
    const form = formAt(state.place);
    state.room = room;
    if (!form) { show(); return; }
    const boxes = boxesOf(form, state.graph, room);
    const event = eventsOf(state.place)[state.event];
    const node = event.n?.[state.graph] ?? null;
    // An event outside of the room would lead back out: the first one inside is shown.
    if (node !== null && boxes.has(node)) { show(); return; }
    const kind = event.p === "backward" ? "node" : "kernel";
    const first = form.events.findIndex((each) => each.k === kind && boxes.has(each.n?.[state.graph]));
    if (first >= 0) goTo(state.place, first); else show();
  };
  const press = (drawn) => {
    const [, number, at] = drawn.id.match(/^s(\d+)-b(\d+)$/);
    const form = drawnAt(state.place);
    const room = doors(form, state.graph)[state.room];
    if (room.sheet !== Number(number)) return;
    const box = room.boxes[Number(at)];
    const turn = Math.min(state.copy, box.copies.length - 1);
    const door = box.names[Math.min(turn, box.names.length - 1)];
    if (door && door in doors(form, state.graph) && door !== state.room) { enter(door); return; }
    if (!fullAt(state.place)) return;
    const nodes = box.copies[turn];
    const node = nodes[nodes.length - 1];
    const [there, back] = timesOf(form, state.graph);
    const wanted = eventsOf(state.place)[state.event].p === "forward" ? [there, back] : [back, there];
    const found = wanted.map((times) => times.get(node)).find((each) => each !== undefined);
    if (found !== undefined) goTo(state.place, found);
  };

  // --- what is shown ----------------------------------------------------------------------------

  const point = (frame, x, y) => {
    if (!frame) return null;
    const [left, top, right, bottom] = frame.box;
    const scale = (value, [low, high], log) => (log
      ? (Math.log10(value) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))
      : (value - low) / (high - low));
    return [left + scale(x, frame.x) * (right - left), bottom - scale(y, frame.y, frame.log) * (bottom - top)];
  };

  const cells = (body, rows, mark = () => false) => {
    body.replaceChildren(...rows.map((row, at) => {
      const line = make("tr", { className: mark(at) ? "changed" : "" });
      line.append(...row.map((text) => make("td", { textContent: text })));
      return line;
    }));
  };

  // Values and grads as the program would print them if it were stopped behind this event.
  const parametersAt = () => {
    const full = fullAt(state.place);
    const events = eventsOf(state.place);
    if (!full) {
      const updated = events.slice(0, state.event + 1).some((each) => each.p === "update");
      return [run.names.map((name, column) => [name, held(updated ? after : values, state.place * width + column), held(grads, state.place * width + column)]), new Set()];
    }
    const rows = run.parameters.map((name, at) => (full.p[at] ? [name, ...full.p[at]] : [name, words.not_kept, words.not_kept]));
    const changed = new Set();
    events.slice(0, state.event + 1).forEach((event, at) => event.c.forEach(([parameter, what], change) => {
      const column = what === "v" ? 1 : 2;
      const text = full.c[at][change];
      if (at === state.event) {
        changed.add(parameter);
        rows[parameter][column] = state.shown ? `${rows[parameter][column]} → ${text}` : `${rows[parameter][column]} → ?`;
      } else rows[parameter][column] = text;
    }));
    return [rows, changed];
  };

  const show = () => {
    const { place } = state;
    const step = stepAt(place);
    const events = eventsOf(place);
    state.event = Math.min(Math.max(state.event, 0), events.length - 1);
    const event = events[state.event];
    const full = fullAt(place);

    byId("slider").value = String(place);
    byId("slider").setAttribute("aria-valuetext", `${words.step} ${step}`);
    const count = say(words.event_of, { event: state.event + 1, count: events.length });
    byId("where").textContent = [step, `${words.loss} ${written(losses[place])}`, count, full ? full.said : words.light_event].filter((each) => each !== "").join(" · ");
    byId("event-title").textContent = event.t;
    // The formulas were written by autograd_lens, with every name in them escaped.
    byId("event-more").innerHTML = state.shown ? moreOf(place, state.event) : words.hidden;
    byId("event-module").textContent = event.m ? say(words.in_module, { module: event.m }) : "";
    byId("event").dataset.phase = event.p;

    drawGraph(event);
    document.querySelectorAll(".line.now").forEach((each) => each.classList.remove("now"));
    const line = event.l && byId(`L${event.l[0]}-${event.l[1]}`);
    if (line) {
      line.classList.add("now");
      const room = line.closest(".codes");
      const top = line.getBoundingClientRect().top - room.getBoundingClientRect().top;
      if (top < 0 || top > room.clientHeight - 40) room.scrollTop += top - room.clientHeight / 3;
    }

    cells(byId("event-rows"), rowsOf(place, state.event).map(([name, shape, text]) => [name, shape, state.shown ? text : "?"]));
    byId("event-rows").querySelectorAll("tr").forEach((row, at) => { if (/[▁-█]{8}$/.test(row.textContent) || event.r?.[at][2]) row.tabIndex = 0; });
    const [rows, changed] = parametersAt();
    cells(byId("followed-rows"), rows, (at) => changed.has(at));
    byId("followed-rows").querySelectorAll("tr").forEach((row) => { row.tabIndex = 0; });
    if (rows.length > 8 && changed.size) {
      const row = byId("followed-rows").rows[Math.min(...changed)];
      row.closest(".scroll").scrollTop = row.offsetTop - 60;
    }
    move(place, events.slice(0, state.event + 1).some((each) => each.p === "update"));
    const wanted = `#step=${step}&event=${state.event}${state.room ? `&room=${encodeURIComponent(state.room)}` : ""}`;
    // In a notebook's frame there is no address to change.
    if (alone && location.protocol !== "about:" && location.hash !== wanted) history.replaceState(null, "", wanted);
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
    maps.forEach((each) => each.mark(stepAt(place)));
  };

  // --- going about ------------------------------------------------------------------------------

  const goTo = (place, event = 0) => {
    state.place = Math.min(Math.max(place, 0), run.count - 1);
    state.event = event;
    state.shown = !state.hide;
    show();
  };
  const nextEvent = () => {
    if (!state.shown) { state.shown = true; show(); return true; }
    if (state.event + 1 < eventsOf(state.place).length) { goTo(state.place, state.event + 1); return true; }
    if (state.place + 1 < run.count) { goTo(state.place + 1); return true; }
    return false;
  };
  const previousEvent = () => {
    if (state.event > 0) goTo(state.place, state.event - 1); else if (state.place > 0) goTo(state.place - 1, Infinity);
  };
  const otherStep = (by) => {
    const same = formAt(state.place) && formAt(state.place) === formAt(Math.min(Math.max(state.place + by, 0), run.count - 1));
    goTo(state.place + by, same ? state.event : 0);
  };
  const fullPlaces = Array.from({ length: run.count }, (_, place) => place).filter((place) => fullAt(place));
  const nextFull = () => goTo(fullPlaces.find((place) => place > state.place) ?? run.count - 1);
  const previousFull = () => goTo(fullPlaces.findLast((place) => place < state.place) ?? 0);
  const phase = (name) => {
    const found = eventsOf(state.place).findIndex((event) => event.p === name);
    if (found >= 0) goTo(state.place, found);
  };
  const broken = () => {
    const loss = losses.findIndex((each) => !Number.isFinite(each));
    const places = [...(loss < 0 ? [] : [loss]), ...run.maps.broken.slice(0, 1).map(placeOf)];
    const stop = run.forms.findIndex((form) => form.events.some((event) => event.k === "run"));
    if (places.length) goTo(Math.min(...places), 0);
    else if (stop >= 0) goTo(placeOf(Number(Object.keys(run.full).find((step) => run.full[step].form === stop))), Infinity);
  };
  const toParameter = (name) => {
    const events = eventsOf(state.place);
    const own = (kind) => events.findIndex((event) => event.a === name && event.k === kind);
    const found = [own("grad"), own("update"), own("zero")].find((each) => each >= 0);
    if (found !== undefined) goTo(state.place, found); else show();
  };
  const toLine = (file, number) => {
    const events = eventsOf(state.place);
    const here = (event) => event.l && event.l[0] === file && event.l[1] === number;
    const later = events.findIndex((event, at) => at > state.event && here(event));
    const found = later >= 0 ? later : events.findIndex(here);
    if (found >= 0) goTo(state.place, found);
  };

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
    state.timer = setInterval(() => { if (!nextEvent()) stop(); }, state.pace);
    label(words.pause);
  };
  const speed = (factor) => {
    state.pace = Math.min(Math.max(state.pace * factor, 60), 5000);
    if (state.timer) { stop(); play(); }
  };

  // --- search -------------------------------------------------------------------------------------

  const search = () => {
    const wanted = byId("search").value.trim().toLowerCase();
    const form = drawnAt(state.place);
    const found = [];
    if (wanted) {
      if (form) {
        form.graphs.forEach((graph, at) => Object.keys(graph.rooms).filter((room) => room.toLowerCase().includes(wanted))
          .forEach((room) => found.push([room, () => { state.graph = at; enter(room); }])));
      }
      run.parameters.filter((name) => name.toLowerCase().includes(wanted)).forEach((name) => found.push([name, () => toParameter(name)]));
      eventsOf(state.place).forEach((event, at) => {
        if (`${event.t} ${event.m || ""}`.toLowerCase().includes(wanted)) found.push([`${event.t}${event.m ? ` · ${event.m}` : ""}`, () => goTo(state.place, at)]);
      });
      document.querySelectorAll("#player .line").forEach((line) => {
        if (!line.textContent.toLowerCase().includes(wanted)) return;
        const [file, number] = line.id.slice(1).split("-").map(Number);
        found.push([`${number}: ${line.textContent.trim()}`, () => { toLine(file, number); line.scrollIntoView({ block: "center" }); }]);
      });
    }
    [state.hits, state.hit] = [found, -1];
    byId("hits").hidden = !wanted;
    byId("hits").replaceChildren(...found.slice(0, 60).map(([text, go], at) => {
      const item = make("li");
      const button = make("button", { type: "button", textContent: text });
      button.addEventListener("click", () => { state.hit = at; go(); });
      item.append(button);
      return item;
    }), make("li", { textContent: found.length ? say(words.found, { count: found.length }) : words.found_none }));
  };
  const match = (by) => {
    if (!state.hits.length) return;
    state.hit = (state.hit + by + state.hits.length) % state.hits.length;
    state.hits[state.hit][1]();
  };

  // --- maps over the steps --------------------------------------------------------------------------

  const shade = (share) => {
    const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const [low, part] = [Math.min(Math.floor(at), stops.length - 2), at % 1];
    const fine = at === stops.length - 1 ? 1 : part;
    return stops[low].map((each, channel) => Math.round(each + (stops[low + 1][channel] - each) * fine));
  };
  const map = (canvas, packed, name) => {
    const table = new Float32Array(bytes(packed).buffer);
    const [across, down] = [run.maps.steps.length, run.parameters.length];
    if (!across || !down) return null;
    const logs = [...table].filter((each) => each > 0 && Number.isFinite(each)).map(Math.log);
    const [low, high] = logs.reduce(([least, most], each) => [Math.min(least, each), Math.max(most, each)], [Infinity, -Infinity]);
    [canvas.width, canvas.height] = [across, down];
    const image = new ImageData(across, down);
    table.forEach((each, at) => {
      let colour = [128, 128, 128, 40]; // not known
      if (each === -1) colour = [128, 128, 128, 130]; // None
      else if (each === Infinity) colour = [230, 30, 40, 255];
      else if (each === 0) colour = [0, 0, 0, 255];
      else if (each > 0) colour = [...shade(high > low ? (Math.log(each) - low) / (high - low) : 0.5), 255];
      image.data.set(colour, 4 * at);
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    const every = Math.ceil(down / 12);
    const longest = Math.min(Math.max(...run.parameters.map((each) => each.length)), 20);
    canvas.closest(".map").style.setProperty("--names", `${6.2 * longest + 4}px`);
    run.parameters.forEach((each, row) => {
      if (row % every) return;
      const label = make("span", { title: each });
      label.append(make("bdi", { textContent: each })); // its end stays in sight where it is cut
      label.style.top = `${(100 * (row + 0.5)) / down}%`;
      canvas.closest(".map").querySelector(".rows").append(label);
    });
    const ends = [0, Math.round((across - 1) / 2), across - 1].map((column) => make("span", { textContent: run.maps.steps[column] }));
    canvas.closest(".map").querySelector(".ends").append(...ends.slice(0, across));
    const [mark, note] = [canvas.parentElement.querySelector(".mark"), canvas.closest("figure").querySelector("output")];
    const told = (row, column) => {
      const each = table[row * across + column];
      const text = each === -1 ? "None" : each === Infinity ? "NaN / inf" : Number.isNaN(each) ? words.not_kept : written(Number(each.toPrecision(4)));
      return `${run.parameters[row]} · ${words.step} ${run.maps.steps[column]} · ${name} ${text}`;
    };
    const under = (event) => {
      const area = canvas.getBoundingClientRect();
      const column = Math.floor((event.clientX - area.left) / area.width * across);
      const row = Math.floor((event.clientY - area.top) / area.height * down);
      return [Math.min(Math.max(row, 0), down - 1), Math.min(Math.max(column, 0), across - 1)];
    };
    canvas.addEventListener("pointermove", (event) => { note.textContent = told(...under(event)); });
    canvas.addEventListener("click", (event) => {
      const [row, column] = under(event);
      state.place = placeOf(run.maps.steps[column]);
      state.event = 0;
      toParameter(run.parameters[row]);
      note.textContent = told(row, column);
    });
    return {
      mark: (step) => {
        const column = run.maps.steps.findLastIndex((each) => each <= step);
        mark.style.left = `${(100 * (column + 0.5)) / across}%`;
      },
    };
  };
  const maps = [["map-grads", run.maps.grads, words.grad_norm], ["map-shares", run.maps.shares, words.update_ratio]]
    .map(([id, packed, name]) => (byId(id) ? map(byId(id), packed, name) : null)).filter(Boolean);

  const last = stepAt(run.count - 1);
  const drawRates = (svg) => {
    const all = run.rates.flatMap((group) => group.rates.map(([, rate]) => rate));
    const most = Math.max(...all) || 1;
    if (all.every((rate) => rate === most)) { // a flat line tells no more than its number
      svg.closest("figure").querySelector("figcaption").append(`: ${rounded(most, 6)}`);
      svg.remove();
      return;
    }
    const x = (step) => 52 + (last ? step / last : 0) * 356;
    const y = (rate) => 66 - (rate / most) * 54;
    run.rates.forEach((group) => {
      const way = group.rates.flatMap(([step, rate], at) => [...(at ? [`H${x(step)}`] : [`M${x(step)} ${y(rate)}`]), `V${y(rate)}`]);
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", "loss");
      path.setAttribute("d", `${way.join("")}H${x(last)}`);
      svg.append(path);
    });
    svg.querySelector("text").textContent = written(Number(most.toPrecision(4)));
  };
  if (byId("rates") && run.rates.length) drawRates(byId("rates"));

  // --- the start of the run with another learning rate ----------------------------------------------

  const unpacked = (one) => ({ rate: one.rate, losses: numbers(one.losses), points: numbers(one.points) });
  const [tried, starts] = [run.tried.map(unpacked), run.starts.map(unpacked)];
  const way = (svg, frame, points) => {
    let path = svg.querySelector(".tried");
    if (!path) {
      path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", "tried");
      const area = document.createElementNS("http://www.w3.org/2000/svg", "clipPath");
      const [left, top, right, bottom] = frame.box;
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      Object.entries({ x: left, y: top, width: right - left, height: bottom - top }).forEach(([key, value]) => rect.setAttribute(key, value));
      area.id = `${svg.id}-area`;
      area.append(rect);
      path.setAttribute("clip-path", `url(#${area.id})`);
      svg.append(area, path);
    }
    // Far outside of the picture a renderer has no room for the numbers.
    const near = (number) => Math.min(Math.max(number, -9999), 9999).toFixed(1);
    const placed = points.map(([x, y]) => point(frame, x, y)).filter((at) => at.every(Number.isFinite));
    path.setAttribute("d", placed.map(([x, y], at) => `${at ? "L" : "M"}${near(x)} ${near(y)}`).join(""));
  };
  // Draws a descent that was executed again, and says what became of it.
  const draw = (one, slider, subject, said, lost) => {
    const gone = [...one.losses].findIndex((each) => !Number.isFinite(each));
    const output = byId(`${slider}-said`);
    output.textContent = gone >= 0 ? say(lost, { ...subject, step: gone })
      : say(said, { ...subject, loss: written(Number(one.losses[one.losses.length - 1].toPrecision(4))), steps: one.losses.length });
    byId(slider).setAttribute("aria-valuetext", output.textContent);
    if (byId("play-descent") && run.descent && one.points.length) {
      way(byId("play-descent"), run.descent, Array.from({ length: one.points.length / 2 }, (_, at) => [one.points[2 * at], one.points[2 * at + 1]]));
    }
    if (byId("play-losses") && run.lossFrame) way(byId("play-losses"), run.lossFrame, [...one.losses].map((each, at) => [at, each]));
  };
  byId("try")?.addEventListener("input", () => {
    const one = tried[Number(byId("try").value)];
    draw(one, "try", { rate: rounded(one.rate, 6) }, words.rate_said, words.rate_gone);
  });

  // Places where the run could begin as well: rings, among which its start is dragged.
  const rings = starts.map((one) => {
    const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    const [x, y] = point(run.descent, one.points[0], one.points[1]);
    Object.entries({ class: "ring", cx: x.toFixed(1), cy: y.toFixed(1), r: 4 }).forEach(([key, value]) => ring.setAttribute(key, value));
    byId("play-descent").append(ring);
    return [x, y, ring];
  });
  const begin = (at) => {
    const one = starts[at];
    byId("begin").value = String(at);
    rings.forEach(([, , ring], place) => ring.classList.toggle("chosen", place === at));
    const start = run.names.slice(0, 2).map((name, column) => `${name} ${rounded(one.points[column], 4)}`).join(", ");
    draw(one, "begin", { start }, words.start_said, words.start_gone);
  };
  byId("begin")?.addEventListener("input", () => begin(Number(byId("begin").value)));
  const under = (svg, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const dragging = { on: false, done: false };
  const drag = (event, reach) => {
    const place = under(byId("play-descent"), event);
    const far = rings.map(([x, y]) => Math.hypot(x - place.x, y - place.y));
    const nearest = far.indexOf(Math.min(...far));
    if (far[nearest] > reach) return false;
    begin(nearest);
    return true;
  };
  if (rings.length) {
    const svg = byId("play-descent");
    svg.addEventListener("pointerdown", (event) => {
      const place = under(svg, event);
      const start = point(run.descent, values[0], values[1]);
      dragging.on = drag(event, 9) || Math.hypot(start[0] - place.x, start[1] - place.y) < 9;
      dragging.done = dragging.on;
      if (dragging.on) svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => { if (dragging.on) drag(event, Infinity); });
    ["pointerup", "pointercancel"].forEach((name) => svg.addEventListener(name, () => { dragging.on = false; }));
  }

  const losses_ = byId("play-losses");
  losses_?.addEventListener("click", (event) => {
    const place = under(losses_, event);
    const [left, , right] = run.lossFrame.box;
    const [low, high] = run.lossFrame.x;
    goTo(placeOf(Math.round(low + ((place.x - left) / (right - left)) * (high - low))));
  });
  byId("play-descent")?.addEventListener("click", (event) => {
    if (dragging.done) { dragging.done = false; return; }
    const place = under(byId("play-descent"), event);
    let [best, least] = [state.place, Infinity];
    for (let at = 0; at < run.count; at += 1) {
      const [x, y] = point(run.descent, values[at * width], values[at * width + 1]);
      const far = (x - place.x) ** 2 + (y - place.y) ** 2;
      if (far < least) [best, least] = [at, far];
    }
    goTo(best);
  });

  // --- clicks and keys --------------------------------------------------------------------------------

  byId("slider").max = String(run.count - 1);
  byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
  byId("first").addEventListener("click", () => otherStep(-1));
  byId("last").addEventListener("click", () => otherStep(1));
  byId("back").addEventListener("click", previousEvent);
  byId("forth").addEventListener("click", nextEvent);
  byId("play").addEventListener("click", play);
  byId("sheets").addEventListener("click", (event) => {
    const drawn = event.target.closest(".node");
    if (drawn) press(drawn);
  });
  // Below a row: its histogram, drawn large between the ends of the range that the row tells, its
  // numbers as a picture, and the events that made and read it.
  const enlarge = (row) => {
    if (row.nextElementSibling?.classList.contains("more")) { row.nextElementSibling.remove(); return; }
    const at = [...row.parentElement.querySelectorAll("tr:not(.more)")].indexOf(row);
    const parts = [bars(row.cells[2].textContent), ...picture(fullAt(state.place)?.h[state.event][at] ?? -1), ...relatives(at)].filter(Boolean);
    if (!parts.length) return;
    const [drawn, cell] = [make("tr", { className: "more" }), make("td", { colSpan: 3 })];
    cell.append(...parts);
    drawn.append(cell);
    row.after(drawn);
  };
  const bars = (text) => {
    const bins = [...text].filter((letter) => letter >= "▁" && letter <= "█");
    if (bins.length !== 8 || !state.shown) return null;
    const drawn = make("div", { className: "bars" });
    bins.forEach((letter) => {
      const bar = make("i");
      bar.style.height = `${(100 * (letter.codePointAt(0) - 0x2581)) / 7}%`;
      drawn.append(bar);
    });
    return drawn;
  };
  const HEAT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
  const picture = (number) => {
    if (number < 0 || !state.shown) return [];
    const [tiles, cells, block, most, letters] = run.heats[number].split(" ");
    const [drawn, all] = tiles.split("/").map(Number);
    const [down, across] = cells.split("×").map(Number);
    const said = [block === "1×1" ? words.heat_one : say(words.heat_mean, { block }), say(words.heat_colours, { most: most.replace("-", "−") }), all > drawn ? say(words.heat_tiles, { tiles: drawn, all }) : ""].filter(Boolean).join(" ");
    const canvas = make("canvas", { className: "heat", width: drawn * (across + 1) - 1, height: down });
    canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
    canvas.style.maxWidth = `${14 * canvas.width}px`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", said);
    const pen = canvas.getContext("2d");
    const colour = Object.fromEntries(["blue", "red", "paper", "ink"].map((name) => [name, getComputedStyle(canvas.ownerDocument.documentElement).getPropertyValue(`--${name}`)]));
    [...letters].forEach((letter, at) => {
      const [tile, row, column] = [Math.floor(at / (down * across)), Math.floor(at / across) % down, at % across];
      const size = HEAT.indexOf(letter) / 31 - 1;
      const paint = (ink, share) => { pen.fillStyle = ink; pen.globalAlpha = share; pen.fillRect(tile * (across + 1) + column, row, 1, 1); };
      paint(colour.paper, 1);
      if (letter === "!") paint(colour.ink, 1); else paint(size < 0 ? colour.blue : colour.red, Math.abs(size));
    });
    return [canvas, make("small", { textContent: said })];
  };
  // The events that wrote a row's tensor last, and that read it before it was written again.
  const relatives = (row) => {
    const events = eventsOf(state.place);
    const key = events[state.event].r?.[row]?.[2];
    if (!key) return [];
    const rows = (event, sign) => (event.r || []).some((each) => each[2] === sign * Math.abs(key));
    const makes = events.flatMap((event, at) => (rows(event, -1) ? [at] : []));
    const before = (at) => (key < 0 ? at <= state.event : at < state.event);
    // A gradient may come from several: those that wrote it since it was last read.
    const last = makes.filter(before).at(-1) ?? -1;
    const next = makes.find((at) => at > Math.max(last, state.event)) ?? Infinity;
    const readers = events.flatMap((event, at) => (rows(event, 1) && at > last && at <= next ? [at] : []));
    const first = events.findLastIndex((event, at) => at < last && rows(event, 1));
    const makers = makes.filter((at) => at > first && at <= last);
    return [[words.made_by, makers], [words.read_by, readers]].filter(([, found]) => found.length).map(([said, found]) => {
      const list = make("p", { className: "relatives", textContent: `${said} ` });
      found.slice(0, 12).forEach((at) => {
        const button = make("button", { type: "button", className: "crumb", textContent: events[at].t, disabled: at === state.event });
        button.addEventListener("click", () => goTo(state.place, at));
        list.append(button);
      });
      return list;
    });
  };
  byId("event-rows").addEventListener("click", (event) => {
    const row = event.target.closest("tr:not(.more)");
    if (row) enlarge(row);
  });
  byId("followed-rows").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) toParameter(row.cells[0].textContent.replace(/\[.*$/, ""));
  });
  document.querySelector("#player .codes").addEventListener("click", (event) => {
    const line = event.target.closest(".line");
    if (line && String(getSelection()) === "") toLine(...line.id.slice(1).split("-").map(Number));
  });
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); match(event.shiftKey ? -1 : 1); }
    if (event.key === "Escape") { byId("search").value = ""; search(); byId("search").blur(); }
  });

  byId("by").addEventListener("change", (event) => { state.by = event.target.value; byId("sheets").dataset.by = state.by; show(); });
  const toggled = (id, on) => byId(id)?.setAttribute("aria-pressed", String(on));
  const whole = () => { state.whole = !state.whole; toggled("whole", state.whole); show(); };
  const dark = () => {
    const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    show();
  };
  const present = () => { toggled("present", document.body.classList.toggle("present")); show(); };
  const hide = () => { state.hide = !state.hide; state.shown = !state.hide; toggled("hide", state.hide); show(); };
  const help = () => { if (byId("help").open) byId("help").close(); else byId("help").showModal(); };
  const pane = (number) => { document.querySelectorAll("#player .pane")[number - 1]?.classList.toggle("closed"); };
  const zoom = () => {
    const mine = document.activeElement?.closest(".pane") || document.querySelector("#player .graph-col");
    const zoomed = mine.classList.toggle("zoomed");
    byId("player").classList.toggle("zooming", zoomed);
  };
  const ask = () => { byId("goto").showModal(); byId("goto-step").select(); };
  Object.entries({ whole, dark, present, hide, ask: help }).forEach(([id, act]) => byId(id)?.addEventListener("click", act));
  byId("goto")?.addEventListener("close", () => {
    const text = byId("goto-step").value.trim();
    if (byId("goto").returnValue !== "go" || !text) return;
    const number = text === "last" ? -1 : Number(text);
    if (Number.isInteger(number)) goTo(placeOf(number < 0 ? last + 1 + number : number));
  });

  const keys = {
    ArrowLeft: previousEvent, ArrowRight: nextEvent, ArrowUp: previousFull, ArrowDown: nextFull,
    PageUp: () => goTo(state.place - 100), PageDown: () => goTo(state.place + 100),
    Home: () => goTo(0), End: () => goTo(run.count - 1, Infinity), " ": play,
  };
  const letters = {
    h: previousEvent, l: nextEvent, n: () => otherStep(1), p: () => otherStep(-1), g: ask,
    f: () => phase("forward"), b: () => phase("backward"), u: () => phase("update"), z: () => phase("zero_grad"),
    "+": () => speed(0.7), "=": () => speed(0.7), "-": () => speed(1.4), e: broken, "[": () => match(-1), "]": () => match(1),
    "/": () => byId("search").focus(), a: whole, d: dark, P: present, H: hide, "?": help, m: zoom,
    Backspace: () => { const form = drawnAt(state.place); if (form && state.room) enter(above(form, state.graph, state.room)); },
    1: () => pane(1), 2: () => pane(2), 3: () => pane(3), 4: () => pane(4),
    Enter: () => { const drawn = document.activeElement?.closest(".node"); if (drawn) press(drawn); document.activeElement?.closest("#followed-rows tr, #event-rows tr")?.click(); },
    Escape: () => { document.querySelectorAll(".zoomed").forEach((each) => each.classList.remove("zoomed")); byId("player").classList.remove("zooming"); document.body.classList.remove("present"); toggled("present", false); },
  };
  // On a page with more than the player, these keys scroll and search elsewhere.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.id !== "slider") return;
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const inside = alone || byId("player").contains(event.target);
    // Left and right scroll no page, so they are ours everywhere; the others inside the player.
    const act = inside || /^Arrow(Left|Right)$/.test(event.key) ? keys[event.key] || letters[event.key] : null;
    const pressed = (event.key === " " || event.key === "Enter") && event.target.tagName === "BUTTON";
    if (!act || pressed) return;
    event.preventDefault();
    act();
  });

  const linked = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    if (!given.has("step")) { show(); return; }
    state.room = given.get("room") || "";
    goTo(placeOf(Number(given.get("step")) || 0), Number(given.get("event")) || 0);
  };
  if (alone) addEventListener("hashchange", linked);
  if (alone) linked(); else show();
})();
