// The board: a table of all runs; the chosen ones' curves and differences beside it.
// What is shown (filter, order, chosen runs) stands in the address, so a view can be kept or sent.

import { drawChart, format } from "/chart.js";

const PAGE = 100; // rows added at a time: ten thousand at once would make a phone stutter
const MOST = 8; // colours to tell apart

const COLUMNS = [
  { id: "lab", title: "Lab", cell: labCell, sort: (run) => run.lab },
  { id: "when", title: "When", cell: whenCell, sort: (run) => run.id },
  { id: "status", title: "Verdict", cell: verdictCell, sort: (run) => verdict(run) },
  { id: "score", title: "Score", num: true, cell: scoreCell, sort: (run) => run.score / run.max_score },
  { id: "value", title: "Metric", num: true, cell: metricCell, sort: (run) => run.value },
  { id: "seconds", title: "Time", num: true, cell: (run) => duration(run.seconds), sort: (run) => run.seconds },
  { id: "report", title: "", cell: reportCell },
];

const $ = (id) => document.getElementById(id);
const state = { query: "", lab: "", verdict: "", sort: "when", down: true, chosen: [] };
let runs = [], labs = {}, shown = [], drawn = 0;

// ---------------------------------------------------------------- data

async function load() {
  const answer = await ask("/api/runs");
  labs = answer.labs;
  runs = answer.rows.map((row) => Object.fromEntries(answer.columns.map((name, i) => [name, row[i]])));
  for (const run of runs) run.words = `${run.id} ${run.lab} ${labs[run.lab] ?? ""} ${run.status} ${run.impl} ${run.metric} ${run.when} ${run.overrides.join(" ")}`.toLowerCase();
  $("project").textContent = `dllab board · ${answer.project}`;
  const options = [...new Set(runs.map((run) => run.lab))].sort();
  $("lab").replaceChildren(new Option("all labs", ""), ...options.map((lab) => new Option(labName(lab), lab)));
  $("lab").value = state.lab;
  await show();
}

async function ask(path) {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// ---------------------------------------------------------------- the list

function filtered() {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  const { sort } = COLUMNS.find((column) => column.id === state.sort);
  const sign = state.down ? -1 : 1;
  return runs
    .filter((run) => (!state.lab || run.lab === state.lab) && (!state.verdict || verdict(run) === state.verdict))
    .filter((run) => words.every((word) => run.words.includes(word)))
    .sort((a, b) => compare(sort(a), sort(b), sign));
}

// What has no value comes last, whichever way the column is sorted.
function compare(a, b, sign) {
  const [noA, noB] = [a, b].map((v) => v === null || v === undefined || v === "" || Number.isNaN(v));
  if (noA || noB) return noA - noB;
  return sign * (a < b ? -1 : a > b ? 1 : 0);
}

function showList() {
  shown = filtered();
  drawn = 0;
  $("runs").tHead.rows[0].replaceChildren(document.createElement("th"), ...COLUMNS.map(headCell));
  $("runs").tBodies[0].replaceChildren();
  $("count").textContent = shown.length === runs.length ? `${runs.length.toLocaleString("en")} runs` : `${shown.length.toLocaleString("en")} of ${runs.length.toLocaleString("en")} runs`;
  $("empty").hidden = shown.length > 0;
  $("empty").textContent = runs.length ? "No run fits the filter." : "There is no run yet. Make the first one: make lab-01";
  $("runs").hidden = !shown.length;
  showMore();
}

function showMore() {
  const rows = shown.slice(drawn, drawn + PAGE).map(tableRow);
  drawn += rows.length;
  $("runs").tBodies[0].append(...rows);
  $("more").hidden = drawn >= shown.length;
}

function headCell(column) {
  const cell = document.createElement("th");
  if (column.num) cell.className = "num";
  if (!column.sort) return cell;
  const on = state.sort === column.id;
  if (on) cell.ariaSort = state.down ? "descending" : "ascending";
  const button = cell.appendChild(document.createElement("button"));
  button.type = "button";
  button.textContent = column.title + (on ? (state.down ? " ↓" : " ↑") : "");
  button.onclick = () => {
    state.down = on ? !state.down : Boolean(column.num) || column.id === "when";
    state.sort = column.id;
    show();
  };
  return cell;
}

function tableRow(run) {
  const row = document.createElement("tr");
  row.dataset.run = run.id;
  const box = document.createElement("input");
  box.type = "checkbox";
  box.ariaLabel = `choose ${run.id}`;
  box.onchange = () => choose(run.id, box.checked);
  row.insertCell().append(box);
  for (const column of COLUMNS) {
    const cell = row.insertCell();
    cell.className = `cell-${column.id}${column.num ? " num" : ""}`;
    cell.append(column.cell(run) ?? "");
  }
  paint(row);
  return row;
}

function paint(row) {
  const place = state.chosen.indexOf(row.dataset.run);
  row.classList.toggle("on", place >= 0);
  row.style.setProperty("--hue", place >= 0 ? hue(place) : "");
  row.querySelector("input").checked = place >= 0;
}

function labName(lab) {
  return `${lab.slice(3, 5)} ${labs[lab] ?? lab.slice(6)}`;
}

function labCell(run) {
  const cell = document.createDocumentFragment();
  cell.append(element("span", "lab", labName(run.lab)), " ", element("span", "id", run.id.split("-").pop()));
  if (run.overrides.length) {
    const tried = element("span", "tried", run.overrides.join(" "));
    tried.title = tried.textContent;
    cell.append(tried);
  }
  return cell;
}

// This year's runs do without the year.
function whenCell(run) {
  const cell = element("time", "", run.when.replace(`${new Date().getFullYear()}-`, ""));
  cell.title = run.when;
  return cell;
}

function verdict(run) {
  if (run.passed) return "passed";
  if (run.passed === false) return run.tried ? "experiment" : "failed";
  return "other";
}

function verdictCell(run) {
  const cell = element("span", "verdict", "");
  cell.append(element("i", `dot ${verdict(run)}`, ""), { failed: "not passed", other: run.status }[verdict(run)] ?? verdict(run));
  if (run.impl === "reference") cell.append(element("span", "tag", "reference"));
  return cell;
}

function scoreCell(run) {
  return run.score === null ? "" : `${format(run.score)} / ${format(run.max_score)}`;
}

function metricCell(run) {
  if (run.value === null) return "";
  const cell = document.createDocumentFragment();
  cell.append(format(run.value), element("span", "metric", run.metric));
  return cell;
}

function reportCell(run) {
  if (!run.report) return "";
  const link = element("a", "", "report");
  link.href = `/report/${run.id}`;
  return link;
}

function duration(seconds) {
  if (seconds === null) return "";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 3600 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// ---------------------------------------------------------------- the chosen runs

function choose(id, on) {
  state.chosen = state.chosen.filter((other) => other !== id);
  if (on) state.chosen = [...state.chosen, id].slice(-MOST);
  keep();
  document.querySelectorAll("#runs tbody tr").forEach(paint);
  showChosen();
}

let asked = 0;
async function showChosen() {
  const known = new Set(runs.map((run) => run.id));
  state.chosen = state.chosen.filter((id) => known.has(id));
  const turn = ++asked;
  $("chosen").replaceChildren(...(state.chosen.length ? state.chosen.map(pick) : runs.length ? [element("p", "nudge", "Choose runs to lay their curves over each other and see what differs.")] : []));
  if (!state.chosen.length) return [$("charts"), $("tables")].forEach((part) => part.replaceChildren());
  const query = state.chosen.map((id) => `run=${encodeURIComponent(id)}`).join("&");
  const [curves, differences] = await Promise.all([ask(`/api/curves?${query}`), ask(`/api/compare?${query}`)]);
  if (turn !== asked) return; // another choice has been made meanwhile
  $("charts").replaceChildren(...charts(curves));
  $("tables").replaceChildren(...tables(differences));
}

function pick(id, place) {
  const run = runs.find((one) => one.id === id);
  const chip = element("span", "pick", "");
  chip.style.setProperty("--hue", hue(place));
  const remove = element("button", "", "×");
  remove.type = "button";
  remove.ariaLabel = `remove ${id}`;
  remove.onclick = () => choose(id, false);
  chip.title = `${labName(run.lab)}, ${id}`;
  chip.append(element("i", "", ""), `${run.lab.slice(3, 5)} ${id.split("-").pop()}`, remove);
  return chip;
}

// One chart for each arm and quantity; training lines are thin, validation lines strong.
function charts(curves) {
  const groups = new Map();
  for (const [id, arms] of Object.entries(curves)) {
    for (const [arm, series] of Object.entries(arms)) {
      for (const [name, [steps, values]] of Object.entries(series)) {
        const [, role, quantity] = name.match(/^(train|val)\/(.*)$/) ?? [null, "", name];
        const key = `${arm}\n${quantity}`;
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push({ hue: hue(state.chosen.indexOf(id)), role, name, steps, values });
      }
    }
  }
  const several = new Set([...groups.keys()].map((key) => key.split("\n")[0])).size > 1;
  return [...groups].sort(([a], [b]) => order(a) - order(b)).map(([key, lines]) => {
    const [arm, quantity] = key.split("\n");
    return drawChart((several ? `${arm} · ` : "") + title(quantity), lines);
  }).filter(Boolean);
}

// The loss first, then the metrics, then what drove the training.
function order(key) {
  return { loss: 0, lr: 2, grad_norm: 3 }[key.split("\n")[1]] ?? 1;
}

function title(quantity) {
  const plain = { lr: "Learning rate", grad_norm: "Gradient norm" }[quantity] ?? quantity.replaceAll("_", " ").replace(/\bf1\b/, "F1");
  return plain[0].toUpperCase() + plain.slice(1);
}

function tables({ runs: ids, outcome, config }) {
  const parts = [element("h2", "", "Outcome"), table(ids, outcome)];
  if (ids.length > 1) parts.push(element("h2", "", config.length ? "What differs" : "The configs are the same"));
  if (config.length) parts.push(table(ids, config));
  return parts;
}

function table(ids, rows) {
  const scroll = element("div", "scroll", "");
  const whole = scroll.appendChild(document.createElement("table"));
  const head = whole.createTHead().insertRow();
  head.append(document.createElement("th"), ...ids.map((id, place) => {
    const cell = document.createElement("th");
    cell.title = id;
    cell.style.setProperty("--hue", hue(place));
    cell.append(element("i", "", ""));
    return cell;
  }));
  const body = whole.createTBody();
  for (const { key, values } of rows) {
    const row = body.insertRow();
    row.append(element("th", "soft", key));
    for (const value of values) row.insertCell().textContent = typeof value === "object" && value ? JSON.stringify(value) : format(value, 4);
  }
  return scroll;
}

function hue(place) {
  return `var(--c${place % MOST})`;
}

function element(name, kind, content) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = content;
  return made;
}

// ---------------------------------------------------------------- the address

function keep() {
  const parts = new URLSearchParams();
  for (const key of ["query", "lab", "verdict"]) if (state[key]) parts.set(key, state[key]);
  if (state.sort !== "when" || !state.down) parts.set("sort", (state.down ? "-" : "") + state.sort);
  for (const id of state.chosen) parts.append("run", id);
  history.replaceState(null, "", `#${parts}`);
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  for (const key of ["query", "lab", "verdict"]) $(key).value = state[key] = parts.get(key) ?? "";
  const sort = parts.get("sort") ?? "-when";
  state.down = sort.startsWith("-");
  state.sort = COLUMNS.find((column) => column.sort && column.id === sort.replace("-", ""))?.id ?? "when";
  state.chosen = parts.getAll("run").slice(0, MOST);
}

async function show() {
  keep();
  showList();
  await showChosen();
}

recall();
for (const key of ["query", "lab", "verdict"]) {
  $(key).addEventListener("input", () => { state[key] = $(key).value; keep(); showList(); });
}
$("controls").onsubmit = (event) => event.preventDefault();
$("more").firstElementChild.onclick = showMore;
new IntersectionObserver(([seen]) => seen.isIntersecting && drawn && showMore(), { rootMargin: "600px" }).observe($("more"));
addEventListener("hashchange", () => { recall(); show(); });
document.addEventListener("visibilitychange", () => document.hidden || load());
load().catch((error) => { $("empty").hidden = false; $("empty").textContent = `The board cannot be read: ${error.message}`; });
