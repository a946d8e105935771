extension ReadingPage {
  static let style = """
    body { margin: 0; background: #16181c; color: #e4e4e4; font: 15px system-ui, sans-serif; }
    header, footer { display: flex; gap: 1em; align-items: center; flex-wrap: wrap; padding: .6em 1em;
      background: #22252b; }
    h1 { font-size: 1.1em; margin: 0; flex: 1; }
    button { font: inherit; color: inherit; background: #3a3f48; border: 1px solid #565c68;
      border-radius: 4px; padding: .25em .7em; cursor: pointer; }
    button:hover:enabled { background: #4a505c; }
    button:disabled { opacity: .4; cursor: default; }
    button[aria-pressed=true] { background: #2e7dd1; border-color: #6eb0f5; color: #fff; }
    #criteria { padding: .4em 1em; }
    #criteria ul { margin: .3em 0; }
    #images { display: flex; flex-wrap: wrap; gap: 12px; justify-content: center; padding: 8px; }
    .item { border: 2px solid #333; border-radius: 6px; padding: 6px; text-align: center; }
    .item.selected { border-color: #2e7dd1; }
    .item h2 { margin: 0 0 4px; font-size: 1em; }
    canvas { display: block; background: #000; cursor: crosshair; touch-action: none; }
    .ranks { display: flex; gap: 4px; justify-content: center; margin-top: 6px; }
    #message { color: #ffd479; min-height: 1.2em; }
    #frame { width: 16em; }
    kbd { background: #3a3f48; border-radius: 3px; padding: 0 .3em; }
    """

  static let body = """
    <header>
      <h1 id="title"></h1>
      <span id="progress"></span>
      <button id="previous">Previous case</button>
      <button id="next">Next case</button>
      <button id="export">Export CSV</button>
    </header>
    <details id="criteria" open><summary></summary><ul></ul></details>
    <main id="images"></main>
    <footer>
      <button id="play">Play</button>
      <input id="frame" type="range" min="0" value="0" aria-label="Frame">
      <span id="time"></span>
      <label>Window <input id="window" type="range" min="1" max="255"></label>
      <label>Level <input id="level" type="range" min="0" max="255"></label>
      <button id="reset">Reset view</button>
      <span id="message" role="status"></span>
    </footer>
    <p style="padding: 0 1em">
      Keys: <kbd>A</kbd>, <kbd>B</kbd> ... choose an image, <kbd>1</kbd>, <kbd>2</kbd> ... rank it,
      <kbd>Space</kbd> plays, <kbd>&larr;</kbd> <kbd>&rarr;</kbd> frame by frame,
      <kbd>[</kbd> <kbd>]</kbd> window, <kbd>&uarr;</kbd> <kbd>&darr;</kbd> level,
      <kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>R</kbd> reset, <kbd>Enter</kbd> next case,
      <kbd>Backspace</kbd> previous case. Mouse: drag for window and level, wheel for zoom,
      drag with <kbd>Shift</kbd> to move.
    </p>
    """
}
