"use strict";
(() => {
  // Whatever comes from elsewhere (paths, tags, cookies, reasons) is put in as text, never as HTML.
  const $ = (id) => document.getElementById(id);
  const base = location.pathname.replace(/\/+$/, "");
  const KEPT = "cms-cache-token";
  const OUTCOMES = [["memory", "from memory"], ["shared", "from Redis"], ["collapsed", "shared a render"], ["rendered", "rendered"], ["bypassed", "kept away"]];
  const WINDOW = 300;
  let token = "";
  let listening = null;

  class Refused extends Error {
    constructor(status, told) {
      super((told.field ? `${told.field}: ` : "") + (told.error || `the answer was ${status}`));
      this.status = status;
      this.told = told;
    }
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function fill(target, ...children) {
    target.replaceChildren(...children.filter(Boolean));
  }

  async function ask(path, options = {}) {
    const answer = await fetch(base + path, {
      cache: "no-store", ...options, headers: { ...options.headers, authorization: `Bearer ${token}` },
    });
    if (answer.status === 401) leave("This token is not known here.");
    return answer;
  }

  async function told(path, body) {
    const answer = await ask(path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
    const said = await answer.json().catch(() => ({}));
    if (answer.status >= 400 && !("state" in said)) throw new Refused(answer.status, said);
    return { status: answer.status, said };
  }

  const shown = {
    count: (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : n >= 1e4 ? `${Math.round(n / 1e3)} k` : `${Math.round(n)}`),
    bytes: (n) => (n >= 2 ** 20 ? `${(n / 2 ** 20).toFixed(1)} MiB` : n >= 1024 ? `${(n / 1024).toFixed(1)} KiB` : `${n} B`),
    ms: (n) => (n === null || n === undefined ? "–" : n >= 1000 ? `${(n / 1000).toFixed(1)} s` : n >= 10 ? `${Math.round(n)} ms` : n >= 0.1 ? `${n.toFixed(1)} ms` : `${Math.round(n * 1000)} µs`),
    share: (n) => `${(100 * n).toFixed(n > 0.995 && n < 1 ? 2 : 1)} %`,
    names: (names, most = 12) => names.slice(0, most).join(", ") + (names.length > most ? ` and ${names.length - most} more` : ""),
    time: (seconds) => new Date(seconds * 1000).toLocaleTimeString(),
  };

  function table(columns, rows, empty) {
    if (!rows.length) return element("p", empty, "faint");
    const made = element("table");
    const head = made.createTHead().insertRow();
    for (const [title, , kind] of columns) {
      const cell = element("th", title, kind);
      cell.scope = "col";
      head.append(cell);
    }
    const body = made.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const [, value, kind] of columns) {
        const given = value(row);
        const cell = element("td", given instanceof Node ? null : given, kind);
        if (given instanceof Node) cell.append(given);
        line.append(cell);
      }
    }
    return made;
  }

  function pairs(list) {
    const made = element("dl");
    for (const [name, value] of list) {
      if (value === null || value === undefined || value === "") continue;
      const cell = element("dd");
      cell.append(value instanceof Node ? value : document.createTextNode(value));
      made.append(element("dt", name), cell);
    }
    return made;
  }

  // A table that is being read is not drawn anew under the reader's pointer or focus.
  function put(id, node) {
    const place = $(id);
    if (!place.matches(":hover, :focus-within")) fill(place, node);
  }

  // Charts

  const series = { at: [], outcomes: OUTCOMES.map(() => []), ratio: [], hit: [], render: [] };
  const charts = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  function chart(id, lines, unit) {
    const place = $(id);
    const axis = { stroke: () => colour("faint"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false } };
    const made = new uPlot({
      width: Math.max(200, place.clientWidth), height: 190,
      cursor: { points: { size: 6 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [axis, { ...axis, size: 46 }],
      series: [{}, ...lines.map(([name, label]) => ({
        label, stroke: () => colour(name), width: 1.6, spanGaps: false, points: { show: false },
        value: (_, value) => (value === null || value === undefined ? "–" : `${+value.toFixed(value < 10 ? 1 : 0)}${unit}`),
      }))],
    }, [[], ...lines.map(() => [])], place);
    charts.push([place, made]);
    return made;
  }

  let requests, ratio, time;
  function charted() {
    if (requests) return;
    requests = chart("c-requests", OUTCOMES.map(([name, label]) => [name === "bypassed" ? "bypass" : name, label]), "");
    ratio = chart("c-ratio", [["memory", "from memory or Redis"]], " %");
    time = chart("c-time", [["memory", "hit"], ["rendered", "render"]], " ms");
    new ResizeObserver(() => {
      for (const [place, made] of charts) made.setSize({ width: Math.max(200, place.clientWidth), height: 190 });
    }).observe($("board"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(([, made]) => made.redraw()));
  }

  // Milliseconds that half of what was counted between two lines took at most, between the bounds of its bucket.
  function median(now, then) {
    const counts = now.map(([bound, count], place) => [bound, count - (then[place] ? then[place][1] : 0)]);
    const half = counts.length ? counts[counts.length - 1][1] / 2 : 0;
    if (half <= 0) return null;
    const place = counts.findIndex(([, count]) => count >= half);
    const [low, below] = place ? counts[place - 1] : [0, 0];
    const [high, upto] = counts[place];
    return 1000 * (low + ((high - low) * (half - below)) / (upto - below || 1));
  }

  let before = null;
  const minute = [];
  const taking = { hit: null, render: null };

  function heard(line) {
    const last = before;
    before = line;
    const seconds = last ? line.at - last.at : 0;
    if (seconds > 0.2 && seconds < 30) {
      const rates = OUTCOMES.map(([name]) => Math.max(0, line.outcomes[name] - last.outcomes[name]) / seconds);
      const all = rates.reduce((sum, rate) => sum + rate, 0);
      const found = rates[0] + rates[1];
      minute.push([line.at, found * seconds, all * seconds]);
      while (minute.length && minute[0][0] < line.at - 60) minute.shift();
      const [hits, total] = minute.reduce(([a, b], [, hit, any]) => [a + hit, b + any], [0, 0]);
      series.at.push(line.at);
      rates.forEach((rate, place) => series.outcomes[place].push(rate));
      series.ratio.push(all ? (100 * found) / all : null);
      for (const kind of ["hit", "render"]) {
        const took = median(line.seconds[kind], last.seconds[kind]);
        series[kind].push(took);
        taking[kind] = took ?? taking[kind] ?? median(line.seconds[kind], []);
      }
      while (series.at[0] < line.at - WINDOW) [series.at, ...series.outcomes, series.ratio, series.hit, series.render].forEach((one) => one.shift());
      requests.setData([series.at, ...series.outcomes]);
      ratio.setData([series.at, series.ratio]);
      time.setData([series.at, series.hit, series.render]);
      $("f-rate").textContent = all >= 10 ? shown.count(all) : all.toFixed(1);
      $("f-ratio").textContent = total ? shown.share(hits / total) : "–";
    }
    $("f-hit").textContent = shown.ms(taking.hit);
    $("f-render").textContent = shown.ms(taking.render);
    $("f-flights").textContent = line.stats.flights;
    $("f-memory").textContent = shown.share(line.stats.memory.bytes / line.stats.memory.max_bytes);
    $("f-memory-of").textContent = `of ${shown.bytes(line.stats.memory.max_bytes)}`;
    states(line);
  }

  function states(line) {
    const { stats } = line;
    const { clock, redis, memory } = stats;
    const sure = clock.lease_ms !== 0;
    const state = $("state");
    fill(state,
      element("span", sure ? "● serving" : "● rendering: no lease", sure ? "good" : "bad"),
      element("span", clock.scope === "process" ? " · without Redis: purges reach this process only" : redis.breaker_open ? " · Redis does not answer" : " · Redis answers",
        clock.scope === "process" ? "warn" : redis.breaker_open ? "bad" : "faint"),
      element("span", ` · ${shown.time(line.at)}`, "faint"));
    put("workers", table([
      ["Worker", (worker) => `${worker.name}${worker.here ? " (answers here)" : ""}`],
      ["Position", (worker) => worker.position, "n"],
      ["Behind", (worker) => worker.lag, "n"],
      ["Lease", (worker) => (worker.lease_ms > 0 ? shown.ms(worker.lease_ms) : worker.lease_ms < 0 ? "not needed" : "none"), "n"],
    ], stats.workers || [], stats.workers_trouble || "No worker is registered."));
    put("memory", table([
      ["Kind", ([name]) => name],
      ["Entries", ([, one]) => shown.count(one.entries), "n"],
      ["Memory", ([, one]) => shown.bytes(one.bytes), "n"],
      ["", ([, one]) => bar(one.bytes / memory.max_bytes)],
      ["Evicted", ([, one]) => shown.count(one.evictions), "n"],
    ], Object.entries(memory.namespaces), ""));
    put("redis", pairs([
      ["Breaker", element("span", redis.breaker_open ? "open: Redis is not asked" : "closed", redis.breaker_open ? "bad" : "good")],
      ["Purge clock", `epoch ${clock.epoch}, position ${clock.position}, floor ${clock.floor}`],
      ["Not recorded yet", `${clock.unrecorded} purges`],
      ["Trouble", clock.trouble || "none"],
      ["Unreadable entries", String(redis.unreadable)],
      ["Application", `${stats.flights} renders under way${line.origin_limit ? `, at most ${line.origin_limit} at once` : ""}`],
    ]));
    const bypasses = Object.entries(line.bypasses).sort((a, b) => b[1] - a[1]);
    const cookies = Object.entries(stats.bypass_cookies || {}).map(([name, count]) => [`cookie ${name}`, count]);
    put("bypasses", table([["Why", ([name]) => name], ["Requests", ([, count]) => shown.count(count), "n"]], [...bypasses, ...cookies], "Nothing was, up to now."));
    put("decisions", table([
      ["When", (one) => shown.time(one.at)],
      ["Site", (one) => one.site],
      ["Path", (one) => one.url],
      ["Answer", (one) => [one.reason, one.level, one.detail].filter(Boolean).join(" · ")],
      ["Status", (one) => one.status || "", "n"],
      ["Took", (one) => (one.render_ms === null ? "" : shown.ms(one.render_ms)), "n"],
    ], line.decisions, "Nobody has asked for anything yet."));
  }

  function bar(share) {
    const made = element("div", null, "bar");
    const inner = element("i");
    inner.style.width = `${Math.min(100, 100 * share)}%`;
    made.append(inner);
    return made;
  }

  async function listen(stop) {
    let pause = 0;
    while (!stop.signal.aborted) {
      await new Promise((go) => setTimeout(go, pause));
      if (document.hidden) { pause = 500; continue; }
      try {
        const answer = await ask("/events", { signal: stop.signal });
        if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
        pause = 1000;
        let rest = "";
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          const lines = (rest + value).split("\n");
          rest = lines.pop();
          for (const line of lines) if (line) heard(JSON.parse(line));
          $("trouble").hidden = true;
        }
        if (listening === stop) pause = Math.min(pause, 1000);
      } catch (fault) {
        if (stop.signal.aborted) return;
        pause = 2000;
        trouble(`This site does not answer (${fault.message}); trying again.`);
      }
    }
  }

  function trouble(text) {
    $("trouble").textContent = text;
    $("trouble").hidden = !text;
  }

  async function tables(stop) {
    while (!stop.signal.aborted) {
      if (!document.hidden) {
        try {
          await Promise.all([purged(), entries()]);
        } catch (fault) {
          if (!stop.signal.aborted && !(fault instanceof TypeError)) put("purges", element("p", fault.message, "fault"));
        }
      }
      await new Promise((go) => setTimeout(go, 10000));
    }
  }

  async function purged() {
    const { said } = await told("/purges?limit=30");
    put("purges", table([
      ["When", (one) => one.at],
      ["Who", (one) => one.who],
      ["What", (one) => shown.names(one.tags) + (one.named > one.tags.length ? ` of ${one.named}` : "")],
      ["Why", (one) => one.reason],
      ["Kind", (one) => one.kind],
      ["Entries", (one) => one.entries ?? "", "n"],
      ["Done after", (one) => (one.duration_ms === null ? one.state : shown.ms(one.duration_ms)), "n"],
      ["Needed", (one) => (one.needless === null ? "" : one.needless ? "no: nothing changed" : "yes")],
      ["Slow workers", (one) => one.slow.join(", ")],
    ], said.purges, "Nothing was purged yet."));
  }

  async function entries() {
    const { said } = await told("/entries?limit=300&max_age=9");
    const pages = said.shown;
    put("pages", table([
      ["Page", (one) => `${one.site}${one.url}`],
      ["Hits", (one) => shown.count(one.hits), "n"],
      ["Size", (one) => shown.bytes(one.bytes), "n"],
      ["Render", (one) => shown.ms(one.render_ms), "n"],
      ["Depends on", (one) => shown.names(one.tags)],
    ], pages.slice(0, 15), "Nothing is stored yet."));
    put("renders", table([
      ["Page", (one) => `${one.site}${one.url}`],
      ["Render", (one) => shown.ms(one.render_ms), "n"],
    ], [...pages].sort((a, b) => b.render_ms - a.render_ms).slice(0, 10), "Nothing was rendered yet."));
    const tags = new Map();
    for (const page of pages) {
      for (const tag of page.tags) {
        const [count, hits] = tags.get(tag) || [0, 0];
        tags.set(tag, [count + 1, hits + page.hits]);
      }
    }
    const top = [...tags].sort((a, b) => b[1][1] - a[1][1] || b[1][0] - a[1][0]).slice(0, 15);
    put("tags", table([
      ["Tag", ([tag]) => depended(tag)],
      ["Entries", ([, [count]]) => count, "n"],
      ["Hits", ([, [, hits]]) => shown.count(hits), "n"],
    ], top, "No entry has a tag."));
  }

  function depended(tag) {
    const made = element("button", tag, "plain");
    made.type = "button";
    made.addEventListener("click", () => {
      $("d-tag").value = tag;
      $("depends").requestSubmit();
      $("d-tag").scrollIntoView({ block: "center" });
    });
    return made;
  }

  // Purge

  function order(more) {
    const kind = $("p-kind").value;
    const words = $("p-what").value.split(/[\s,]+/).filter(Boolean);
    const what = kind === "all" ? { all: true } : { [kind]: words };
    return { ...what, soft: $("p-soft").checked, reason: $("p-why").value, ...more };
  }

  function foreseen(said) {
    return pairs([
      ["Entries", `${said.exact ? "" : said.error ? "about " : "at least "}${shown.count(said.entries)}${said.error ? ` ± ${said.error}` : ""}`],
      ["Traffic", shown.share(said.traffic)],
      ["Rendering", shown.ms(said.render_ms)],
      ["Size", shown.bytes(said.bytes)],
      ["Looked at", said.scope],
      ["Among them", said.urls.slice(0, 8).join("\n")],
    ]);
  }

  async function preview() {
    fill($("p-answer"), element("p", "Looking …", "faint"));
    try {
      const { said } = await told("/purge", order({ dry_run: true }));
      fill($("p-answer"), element("h3", "It would take"), foreseen(said));
    } catch (fault) {
      fill($("p-answer"), element("p", fault.message, "fault"));
    }
  }

  async function purge(confirm) {
    const place = $("p-answer");
    const go = $("p-go");
    go.disabled = true;
    fill(place, element("p", "Recorded? Waiting for every worker …", "faint"));
    try {
      let { status, said } = await told("/purge", order({ confirm, wait_ms: 2000 }));
      // 202: recorded, and not certain yet; what is asked from now on is where it stands.
      for (let round = 0; status === 202 && round < 60; round++) {
        fill(place, element("p", `Purge ${said.seq} is recorded; waiting for ${(said.waiting_for || []).join(", ") || "every worker"} …`, "warn"));
        await new Promise((on) => setTimeout(on, 500));
        ({ status, said } = await told(`/purges/${said.epoch}/${said.seq}`));
      }
      if (said.state === "done") fill(place, element("p", `✔ Done${said.scope === "process" ? " in this process" : " on every worker"} after ${shown.ms(said.waited_ms)} (purge ${said.seq}${said.soft ? ", soft" : ""}).`, "good"));
      else if (said.state === "recorded") fill(place, element("p", `Recorded as purge ${said.seq}, not certain yet: ${said.detail}`, "warn"));
      else fill(place, element("p", `Not recorded: ${said.detail}`, "fault"));
    } catch (fault) {
      fill(place, element("p", fault.message, "fault"));
      if (fault.status === 409 && fault.told.preview) {
        const sure = element("button", "Purge all the same");
        sure.type = "button";
        sure.addEventListener("click", () => purge(true));
        place.append(foreseen(fault.told.preview), sure);
      }
    } finally {
      go.disabled = false;
      purged().catch(() => {});
    }
  }

  // Explain and depends

  function stored(one) {
    const purgedBy = (purge) => `${purge.tag} by purge ${purge.seq}${purge.who ? ` of ${purge.who}` : ""}${purge.at ? `, ${purge.at}` : ""}${purge.reason ? `: ${purge.reason}` : ""}`;
    return [
      element("h3", one.level === "memory" ? "In this worker's memory" : "In Redis"),
      pairs([
        ["Usable", one.usable ? "yes" : `no: ${one.validity ? one.validity.meaning : ""}`],
        ["Age", one.arithmetic],
        ["Depends on", shown.names(one.tags, 30)],
        ["Purged since", one.purged_by.map(purgedBy).join("\n")],
        ["Last purge that it shows", one.last_purge ? purgedBy(one.last_purge) : ""],
        ["Hits", String(one.hits)],
        ["Rendered in", shown.ms(one.render_ms)],
        ["Rendered from position", `${one.base} of epoch ${one.epoch}`],
      ]),
    ];
  }

  async function explain() {
    const place = $("e-answer");
    fill(place, element("p", "Looking …", "faint"));
    try {
      const { said } = await told(`/explain?url=${encodeURIComponent($("e-url").value.trim())}`);
      const left = said.left_out || {};
      fill(place,
        element("p", `${said.action}: ${said.why.meaning} (${said.why.reason})`, said.action === "serve" ? "good" : "warn"),
        pairs([
          ["Site", said.site],
          ["Left out of the key", [...(left.parameters || []), ...(left.cookies || [])].join(", ")],
          ["Not stored since", said.not_stored ? said.not_stored.meaning : ""],
          ["Cookie of somebody", left.bypassing_cookie],
          ["Trouble", said.trouble],
        ]),
        ...(said.stored || []).flatMap(stored));
      if (!(said.stored || []).length) place.append(element("p", "It is stored at no level.", "faint"));
    } catch (fault) {
      fill(place, element("p", fault.message, "fault"));
    }
  }

  async function depends() {
    const place = $("d-answer");
    fill(place, element("p", "Looking …", "faint"));
    try {
      const { said } = await told(`/tags/${encodeURIComponent($("d-tag").value.trim())}?limit=20`);
      fill(place,
        pairs([
          ["Entries", `${said.exact ? "" : said.error ? "about " : "at least "}${shown.count(said.entries)}${said.error ? ` ± ${said.error}` : ""}`],
          ["Traffic", shown.share(said.traffic)],
          ["Rendering", shown.ms(said.render_ms)],
          ["Sites", Object.entries(said.sites).map(([name, count]) => `${name} (${count})`).join(", ")],
          ["Languages", Object.entries(said.languages).map(([name, count]) => `${name} (${count})`).join(", ")],
          ["Looked at", said.scope],
        ]),
        table([["Entry", (one) => `${one.site}${one.url}`], ["Hits", (one) => shown.count(one.hits), "n"], ["Render", (one) => shown.ms(one.render_ms), "n"]], said.shown, "Nothing depends on it."));
    } catch (fault) {
      fill(place, element("p", fault.message, "fault"));
    }
  }

  // Who is here

  function leave(why) {
    listening?.abort();
    listening = null;
    sessionStorage.removeItem(KEPT);
    token = "";
    before = null;
    $("board").hidden = true;
    $("login").hidden = false;
    $("login-fault").textContent = why || "";
    $("token").focus();
  }

  async function enter(given) {
    token = given;
    const answer = await fetch(`${base}/stats`, { cache: "no-store", headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      leave(said.error || `The answer was ${answer.status}.`);
      return;
    }
    sessionStorage.setItem(KEPT, token);
    $("login").hidden = true;
    $("board").hidden = false;
    $("foot").textContent = `${location.host} · this page asks nobody else for anything`;
    charted();
    listening = new AbortController();
    listen(listening);
    tables(listening);
  }

  for (const place of document.querySelectorAll(".scroll")) place.tabIndex = 0;
  const submitted = (id, act) => $(id).addEventListener("submit", (event) => { event.preventDefault(); act(); });
  submitted("login", () => enter($("token").value.trim()).catch((fault) => leave(fault.message)).finally(() => { $("token").value = ""; }));
  submitted("purge", () => purge(false));
  submitted("explain", explain);
  submitted("depends", depends);
  $("p-preview").addEventListener("click", preview);
  $("p-kind").addEventListener("change", () => { $("p-what").disabled = $("p-kind").value === "all"; });
  $("leave").addEventListener("click", () => leave());

  const kept = sessionStorage.getItem(KEPT);
  if (kept) enter(kept).catch((fault) => leave(fault.message));
  else leave();
})();
