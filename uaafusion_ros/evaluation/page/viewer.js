// Two layers of one frame over one another, a divider between them.

class Viewer {
  constructor(data, changed) {
    this.data = data;
    this.changed = changed;
    this.place = 0;
    this.sides = {left: 'thermal', right: 'fused'};
    this.root = document.getElementById('viewer');
    this.stage = document.getElementById('stage');
    this.wipe = document.getElementById('wipe');
    this.wipe.addEventListener('input', () => this.drawDivider());
    this.stage.addEventListener('pointerdown', (event) => this.grab(event));
    this.stage.addEventListener('pointermove', (event) => {
      if (this.stage.hasPointerCapture(event.pointerId)) this.drag(event);
    });
    for (const button of this.root.querySelectorAll('[data-layer]')) {
      button.addEventListener(
        'click', () => this.layer(button.dataset.side, button.dataset.layer));
    }
    document.getElementById('previous').addEventListener('click', () => this.step(-1));
    document.getElementById('next').addEventListener('click', () => this.step(1));
    document.addEventListener('keydown', (event) => this.key(event));
  }

  select(index) {
    this.place = this.data.samples.findIndex((sample) => sample.index === index);
    this.draw();
    this.changed(this.data.samples[this.place]);
  }

  step(by) {
    const many = this.data.samples.length;
    this.select(this.data.samples[(this.place + by + many) % many].index);
  }

  layer(side, layer) {
    this.sides[side] = layer;
    this.draw();
  }

  move(to) {
    this.wipe.value = to;
    this.drawDivider();
  }

  draw() {
    const sample = this.data.samples[this.place];
    this.stage.style.aspectRatio = `${sample.width} / ${sample.height}`;
    // Keeps tall pictures from being stretched by the limit on the height.
    this.stage.style.maxWidth = `calc(80vh * ${sample.width / sample.height})`;
    for (const side of ['left', 'right']) {
      const layer = this.sides[side];
      const image = document.getElementById(`${side}-image`);
      image.src = sample.layers[layer];
      image.alt = `${this.data.layers[layer]} image of frame ${sample.index}`;
      document.getElementById(`${side}-tag`).textContent = this.data.layers[layer];
      for (const button of this.root.querySelectorAll(`[data-side="${side}"]`)) {
        button.setAttribute('aria-pressed', button.dataset.layer === layer);
      }
    }
    this.drawDivider();
  }

  drawDivider() {
    const share = Number(this.wipe.value);
    document.getElementById('left-image').style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    document.getElementById('divider').style.left = `${share}%`;
    const {left, right} = this.sides;
    this.wipe.setAttribute('aria-valuetext',
      `${share} % ${this.data.layers[left]}, ${100 - share} % ${this.data.layers[right]}`);
  }

  grab(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.drag(event);
  }

  drag(event) {
    const box = this.stage.getBoundingClientRect();
    this.move(Math.round(100 * (event.clientX - box.left) / box.width));
  }

  key(event) {
    if (event.target.closest('select') || event.metaKey) return;
    // On many keyboards brackets need AltGr, which counts as Ctrl and Alt.
    if (event.key === '[' || event.key === ']') {
      this.step(event.key === '[' ? -1 : 1);
    } else if (event.ctrlKey || event.altKey) {
      return;
    } else if (/^Digit[1-4]$/.test(event.code)) {
      this.layer(event.shiftKey ? 'right' : 'left',
                 Object.keys(this.data.layers)[Number(event.code[5]) - 1]);
    } else if (this.root.contains(event.target) && event.key.startsWith('Arrow')) {
      const by = event.shiftKey ? 10 : 2;
      if (event.key === 'ArrowLeft') this.move(Number(this.wipe.value) - by);
      if (event.key === 'ArrowRight') this.move(Number(this.wipe.value) + by);
      if (event.key === 'ArrowUp') this.step(-1);
      if (event.key === 'ArrowDown') this.step(1);
    } else {
      return;
    }
    event.preventDefault();
  }
}
