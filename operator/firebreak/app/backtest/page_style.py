"""How the backtest's page looks, in light and in dark, and the few lines that draw its pictures."""

STYLE = """
:root { color-scheme: light dark; --fg: #1b1f24; --dim: #5c6470; --bg: #fbfbfc; --card: #ffffff; --line: #dfe3e8;
  --bad: #d13438; --good: #1f8a53; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6e8eb; --dim: #9aa3ad; --bg: #14171a; --card: #1c2024;
  --line: #31373d; --bad: #ff6369; --good: #4cc38a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 0 0 2px; }
h3 { font-size: 16px; margin: 18px 0 8px; } h3 em { color: var(--dim); font-style: normal; font-weight: 400; margin-left: 8px; }
.sub { color: var(--dim); margin: 0 0 4px; } .lead { font-size: 18px; margin: 12px 0 16px; }
code { font: 13px ui-monospace, "SF Mono", Menlo, monospace; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin: 18px 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; display: flex;
  flex-direction: column; } .card b { font-size: 26px; line-height: 1.2; } .card span, .card small { color: var(--dim); }
.card.bad b { color: var(--bad); } .problem { color: var(--bad); }
.plot { width: 100%; min-height: 600px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } th, td { text-align: left; vertical-align: top;
  padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); } thead th { color: var(--dim); font-weight: 500; }
td.at { white-space: nowrap; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
#what-if tbody tr:first-child td { font-weight: 600; }
table.facts th { width: 180px; color: var(--dim); font-weight: 500; } table.facts { margin-bottom: 14px; }
.scroll { overflow-x: auto; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--dim); } ul { padding-left: 20px; margin: 8px 0 0; }
"""

SCRIPT = """
(() => {
  const pictures = JSON.parse(document.getElementById('pictures').textContent);
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const colour = () => ({'font.color': dark.matches ? '#c9ced4' : '#3b424a',
    'hoverlabel.bgcolor': dark.matches ? '#1c2024' : '#ffffff', 'hoverlabel.font.color': dark.matches ? '#e6e8eb' : '#1b1f24'});
  const drawn = [];
  for (const place of document.querySelectorAll('[data-picture]')) {
    const picture = pictures[place.dataset.picture];
    drawn.push(Plotly.newPlot(place, picture.data, picture.layout, {responsive: true, displaylogo: false})
      .then(() => Plotly.relayout(place, colour())));
    dark.addEventListener('change', () => Plotly.relayout(place, colour()));
  }
  Promise.all(drawn).then(() => { document.body.dataset.drawn = String(drawn.length); });
})();
"""
