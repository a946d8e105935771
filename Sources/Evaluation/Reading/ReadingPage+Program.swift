extension ReadingPage {
  /// The page's program; it keeps ranks in the browser's storage, so that a reading can be left and continued.
  static let program = #"""
    'use strict';
    const content = JSON.parse(document.getElementById('content').textContent);
    const element = id => document.getElementById(id);
    const cases = content.cases;
    const storageName = 'reading ' + cases.map(item => item.code).join('');
    const ranks = load();
    const view = { current: 0, frame: 0, selected: 0, zoom: 1, x: 0, y: 0, window: 255, level: 128 };
    let series = [], canvases = [], timer = null;

    function load() {
      try { return JSON.parse(localStorage.getItem(storageName)) || {}; } catch { return {}; }
    }
    function save() {
      try { localStorage.setItem(storageName, JSON.stringify(ranks)); } catch { /* private window */ }
    }
    const letter = place => String.fromCharCode(65 + place);
    const count = () => cases[view.current].items.length;
    const given = item => ranks[item.code] || {};
    const isComplete = item => Object.keys(given(item)).length === item.items.length;

    function decode(text) {
      const raw = atob(text), bytes = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
      return bytes;
    }

    function open(index) {
      stop();
      view.current = index;
      const item = cases[index];
      series = item.items.map(decode);
      Object.assign(view, { frame: 0, selected: 0 });
      const scale = Math.max(1, Math.floor(Math.min(480 / item.rows, 360 / item.columns)));
      element('images').replaceChildren(...series.map((_, place) => panel(item, place, scale)));
      canvases = [...document.querySelectorAll('canvas')];
      element('frame').max = item.frames - 1;
      for (const id of ['play', 'frame']) element(id).hidden = item.frames === 1;
      reset();
      refresh();
    }

    function panel(item, place, scale) {
      const section = document.createElement('section');
      section.className = 'item';
      section.dataset.letter = letter(place);
      const title = document.createElement('h2');
      title.textContent = letter(place);
      const canvas = document.createElement('canvas');
      canvas.width = item.columns * scale;
      canvas.height = item.rows * scale;
      section.addEventListener('pointerdown', () => { view.selected = place; refresh(); });
      pointer(canvas, scale);
      const row = document.createElement('div');
      row.className = 'ranks';
      for (let rank = 1; rank <= item.items.length; rank++) {
        const button = document.createElement('button');
        button.textContent = rank;
        button.dataset.rank = rank;
        button.setAttribute('aria-label', `Image ${letter(place)}: rank ${rank}`);
        button.addEventListener('click', event => {
          if (event.detail) button.blur();
          give(place, rank);
        });
        row.append(button);
      }
      section.append(title, canvas, row);
      return section;
    }

    function pointer(canvas, scale) {
      let last = null;
      canvas.addEventListener('pointerdown', event => {
        last = [event.clientX, event.clientY];
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener('pointermove', event => {
        if (!last) return;
        const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
        last = [event.clientX, event.clientY];
        if (event.shiftKey) {
          view.x -= dx / scale / view.zoom;
          view.y -= dy / scale / view.zoom;
        } else {
          view.window += dx;
          view.level -= dy;
        }
        draw();
      });
      canvas.addEventListener('pointerup', () => { last = null; });
      canvas.addEventListener('wheel', event => {
        event.preventDefault();
        zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
      }, { passive: false });
    }

    function give(place, rank) {
      const item = cases[view.current], name = letter(place);
      const mine = ranks[item.code] = { ...given(item) };
      if (mine[name] === rank) delete mine[name];
      else {
        if (!content.allowsTies)
          for (const other of Object.keys(mine)) if (mine[other] === rank) delete mine[other];
        mine[name] = rank;
      }
      view.selected = place;
      for (let step = 1; step < count() && mine[letter(view.selected)]; step++)
        if (!mine[letter((place + step) % count())]) view.selected = (place + step) % count();
      save();
      refresh();
    }

    function clampView() {
      const item = cases[view.current];
      view.zoom = Math.min(16, Math.max(1, view.zoom));
      view.window = Math.min(255, Math.max(1, view.window));
      view.level = Math.min(255, Math.max(0, view.level));
      const clamp = (value, size) => Math.min(size - size / view.zoom, Math.max(0, value));
      view.x = clamp(view.x, item.columns);
      view.y = clamp(view.y, item.rows);
    }

    function draw() {
      clampView();
      const item = cases[view.current], size = item.rows * item.columns;
      const low = view.level - view.window / 2;
      const grey = new Uint8ClampedArray(256).map((_, value) => 255 * (value - low) / view.window);
      const colours = Uint32Array.from(grey, value => 0xff000000 | value * 0x010101);
      const image = new ImageData(item.columns, item.rows);
      const pixels = new Uint32Array(image.data.buffer);
      const whole = document.createElement('canvas');
      [whole.width, whole.height] = [item.columns, item.rows];
      canvases.forEach((canvas, place) => {
        const start = view.frame * size;
        for (let i = 0; i < size; i++) pixels[i] = colours[series[place][start + i]];
        whole.getContext('2d').putImageData(image, 0, 0);
        canvas.getContext('2d').drawImage(
          whole, view.x, view.y, item.columns / view.zoom, item.rows / view.zoom,
          0, 0, canvas.width, canvas.height);
      });
      element('frame').value = view.frame;
      element('window').value = view.window;
      element('level').value = view.level;
      element('time').textContent = item.frames > 1 ? `${view.frame + 1} of ${item.frames}` : '';
    }

    function refresh() {
      const item = cases[view.current], done = cases.filter(isComplete).length;
      document.querySelectorAll('.item').forEach((section, place) => {
        section.classList.toggle('selected', place === view.selected);
        for (const button of section.querySelectorAll('.ranks button'))
          button.setAttribute(
            'aria-pressed', given(item)[letter(place)] === Number(button.dataset.rank));
      });
      element('progress').textContent =
        `Case ${view.current + 1} of ${cases.length}, ${done} complete`;
      element('previous').disabled = view.current === 0;
      element('next').disabled = view.current === cases.length - 1 || !isComplete(item);
      element('export').disabled = done < cases.length;
      element('message').textContent =
        done === cases.length ? 'All cases are ranked: export the CSV file.' : '';
    }

    function reset() {
      const white = cases[view.current].white;
      Object.assign(view, { zoom: 1, x: 0, y: 0, window: white, level: white / 2 });
      draw();
    }

    function zoom(factor) {
      const item = cases[view.current], before = view.zoom;
      view.zoom = Math.min(16, Math.max(1, view.zoom * factor));
      view.x += item.columns / 2 * (1 / before - 1 / view.zoom);
      view.y += item.rows / 2 * (1 / before - 1 / view.zoom);
      draw();
    }

    function step(by) {
      const frames = cases[view.current].frames;
      view.frame = (view.frame + by + frames) % frames;
      draw();
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      element('play').textContent = 'Play';
    }

    function play() {
      if (timer) return stop();
      if (cases[view.current].frames === 1) return;
      timer = setInterval(() => step(1), 1000 / content.framesPerSecond);
      element('play').textContent = 'Pause';
    }

    function turn(by) {
      const index = view.current + by;
      if (index < 0 || index >= cases.length) return;
      if (by > 0 && !isComplete(cases[view.current])) {
        element('message').textContent = 'Rank all images of this case first.';
        return;
      }
      open(index);
    }

    function download() {
      if (!cases.every(isComplete)) return;
      const rows = cases.flatMap(item => item.items.map(
        (_, place) => `${item.code},${letter(place)},${given(item)[letter(place)]}\n`));
      const link = document.createElement('a');
      link.href = URL.createObjectURL(
        new Blob(['case,technique,rank\n', ...rows], { type: 'text/csv' }));
      link.download = content.reader + '.csv';
      link.click();
    }

    const keys = {
      ' ': play, ArrowLeft: () => { stop(); step(-1); }, ArrowRight: () => { stop(); step(1); },
      ArrowUp: () => { view.level -= 4; draw(); }, ArrowDown: () => { view.level += 4; draw(); },
      '[': () => { view.window -= 6; draw(); }, ']': () => { view.window += 6; draw(); },
      '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), r: reset,
      Enter: () => turn(1), Backspace: () => turn(-1),
    };
    document.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const place = key.length === 1 ? key.charCodeAt(0) - 97 : -1;
      if (/^[1-9]$/.test(key)) {
        if (Number(key) <= count()) give(view.selected, Number(key));
      } else if (place >= 0 && place < count()) {
        view.selected = place;
        refresh();
      } else if (keys[key]) keys[key]();
      else return;
      event.preventDefault();
    });

    element('title').textContent = content.title;
    document.querySelector('#criteria summary').textContent =
      `Rank the images of each case from 1 (best) to ${cases[0].items.length}`
      + (content.allowsTies ? '; equal images may share a rank' : '; each rank once');
    document.querySelector('#criteria ul').replaceChildren(...content.criteria.map(text => {
      const item = document.createElement('li');
      item.textContent = text;
      return item;
    }));
    const on = (id, type, action) => element(id).addEventListener(type, action);
    on('previous', 'click', () => turn(-1));
    on('next', 'click', () => turn(1));
    on('export', 'click', download);
    on('play', 'click', play);
    on('reset', 'click', reset);
    on('frame', 'input', () => { stop(); view.frame = Number(element('frame').value); draw(); });
    on('window', 'input', () => { view.window = Number(element('window').value); draw(); });
    on('level', 'input', () => { view.level = Number(element('level').value); draw(); });
    const first = cases.findIndex(item => !isComplete(item));
    open(first < 0 ? 0 : first);
    """#
}
