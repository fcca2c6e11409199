(function () {
  var root = document.getElementById('cx');
  if (!root || root.dataset.ready) return;
  root.dataset.ready = '1';
  var data = JSON.parse(root.querySelector('.data').textContent);
  function part(name) { return root.querySelector('[data-part=' + name + ']'); }
  var gallery = part('gallery'), model = part('model'), gender = part('gender');
  var threshold = part('threshold'), size = part('size'), jump = part('jump');
  function grid() { return data.grids[gallery.value + '|' + model.value]; }
  function wilson(k, n) {
    var z = 1.959963984540054, p = k / n, d = 1 + z * z / n, m = (p + z * z / (2 * n)) / d;
    var h = z / d * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return [Math.max(0, m - h), Math.min(1, m + h)];
  }
  function number(v) { return v.toLocaleString('en-US'); }
  function count(k, whole) { return whole ? Math.round(k) : k.toFixed(1); }
  function percent(v, d) { return (100 * v).toFixed(d); }
  function named(name) {
    var all = grid().thresholds;
    for (var i = 0; i < all.length; i++) if (all[i][1] === name) return i;
    return -1;
  }
  function choose(name, share) {  // after another gallery or model: the same name, if it has one
    threshold.max = grid().thresholds.length - 1;
    size.max = grid().sizes.length - 1;
    var at = named(name || 'default');
    threshold.value = at < 0 ? named('default') : at;
    size.value = Math.round(share * size.max);
    draw();
  }
  var before = '';
  function draw() {
    var g = grid(), t = +threshold.value, s = +size.value, cut = g.thresholds[t];
    var whole = s === g.sizes.length - 1, n = data.searched.length;
    var from = (t * g.sizes.length + s) * n, values = g.values.slice(from, from + n);
    before = cut[1];
    var words = cut[0].toFixed(4) + (cut[1] ? ', ' + data.names[cut[1]] : '');
    var faces = number(g.sizes[s]) + ' faces'
      + (whole ? ', the whole gallery' : ', drawn at random');
    part('threshold-said').textContent = 'Distance ' + words + '. Of a million single comparisons, '
      + number(+cut[2].toPrecision(3)) + ' are at or below it.';
    part('size-said').textContent = faces;
    threshold.setAttribute('aria-valuetext', words);
    size.setAttribute('aria-valuetext', faces);
    jump.querySelectorAll('button').forEach(function (b) {
      b.setAttribute('aria-pressed', String(b.value === cut[1]));
    });
    var lines = data.rows[gender.value].map(function (r) {
      var k = 0, m = 0;
      r[1].forEach(function (c) { k += values[c] / 10; m += data.searched[c]; });
      var ends = m ? wilson(k, m) : [0, 0];
      return {name: r[0], k: k, n: m, rate: m ? k / m : 0, low: ends[0], high: ends[1]};
    });
    var top = Math.max.apply(null, lines.map(function (r) { return r.n >= 10 ? r.high : r.rate; }));
    var scale = top <= 0.1 ? 0.1 : top <= 0.25 ? 0.25 : top <= 0.5 ? 0.5 : 1;
    part('scale').textContent = '0 to ' + percent(scale, 0) + ' %';
    var body = part('body');
    body.textContent = '';
    lines.forEach(function (r) {
      var tr = document.createElement('tr');
      function cell(tag, text) {
        var c = document.createElement(tag);
        c.textContent = text; tr.appendChild(c); return c;
      }
      cell('th', r.name).scope = 'row';
      cell('td', r.n ? count(r.k, whole) + ' of ' + r.n : 'nobody searched');
      cell('td', r.n ? percent(r.rate, 1) + ' % (' + percent(r.low, 1) + '\u2060\u2013\u2060'
        + percent(r.high, 1) + ')' : '');
      var bar = cell('td', '');
      bar.className = 'bar narrow'; bar.setAttribute('aria-hidden', 'true');
      if (r.n) {
        var track = document.createElement('div'), i = document.createElement('i'),
          b = document.createElement('b');
        track.className = 'track';
        i.style.width = Math.min(100, 100 * r.rate / scale) + '%';
        b.style.left = Math.min(100, 100 * r.low / scale) + '%';
        b.style.right = Math.max(0, 100 - 100 * r.high / scale) + '%';
        track.appendChild(i); track.appendChild(b); bar.appendChild(track);
        var marks = document.createElement('div'), filled = document.createElement('b');
        marks.className = 'marks';
        filled.textContent = '\u25cf'.repeat(Math.round(r.k));
        marks.appendChild(filled);
        marks.appendChild(document.createTextNode('\u25cb'.repeat(r.n - Math.round(r.k))));
        bar.appendChild(marks);
      }
      body.appendChild(tr);
    });
    var all = lines[0], who = {'': 'members', female: 'women', male: 'men'}[gender.value];
    part('said').textContent = count(all.k, whole) + ' of ' + all.n + ' '
      + who + ' falsely matched' + (whole ? '' : ' (expected)') + ': FPIR ' + percent(all.rate, 1)
      + ' % (95 % interval ' + percent(all.low, 1) + '\u2013' + percent(all.high, 1) + ')';
  }
  [gallery, model].forEach(function (c) {
    c.addEventListener('change', function () { choose(before, +size.value / +size.max); });
  });
  [threshold, size].forEach(function (c) { c.addEventListener('input', draw); });
  gender.addEventListener('change', draw);
  jump.addEventListener('click', function (e) {
    if (e.target.value) { threshold.value = named(e.target.value); draw(); }
  });
  part('controls').hidden = false;
  root.querySelectorAll('.bar').forEach(function (c) { c.hidden = false; });
  gallery.value = data.opening[0]; model.value = data.opening[1];
  choose(data.opening[2], 1);
})();
