// A chart, and a server that has bars 1 to 4999, then more; one page is empty so far, one fails.
import('/chart.js').then(async ({Chart}) => {
  const box = document.body.appendChild(document.createElement('div'));
  [box.style.width, box.style.height] = ['800px', '300px'];
  const chart = new Chart(box, 2), wanted = [], range = (first, end) => Array.from({length: end - first}, (_, n) => [first + n, 1, 3, 1, 2]);
  let end = 5000, fails = 1;
  chart.follow(async (before, count) => {
    wanted.push([before, count]);
    if (before === 3800 && fails-- > 0) throw new Error('it is gone');
    const last = before === '' ? end : before, first = Math.max(1, last - Math.min(count, 1000));
    return wanted.length === 2 ? {bars: [], more: true} : {bars: range(first, last), more: first > 1};
  }, async (from, before) => ({marks: [[from, 'buy', 2, 3]], sequence: 70}), (words) => (chart.said = words));
  const until = async (is) => { for (let n = 0; !is(); n++) { if (n > 600) throw new Error(JSON.stringify([wanted, chart.bars.length])); await new Promise(requestAnimationFrame); } };
  const shown = chart.chart.timeScale(), seen = [];
  await until(() => chart.bars.length === 600 && !chart.isReading);
  shown.setVisibleLogicalRange({from: 20, to: 120});
  await until(() => chart.bars.length > 600 && !chart.isReading);
  seen.push([chart.bars.length, shown.getVisibleLogicalRange().from > 300]);
  shown.setVisibleLogicalRange({from: 10, to: 110});
  await until(() => chart.said);
  while (chart.bars[0].time > 1) {
    const had = chart.bars.length;
    shown.setVisibleLogicalRange({from: -20 - Math.random(), to: 80});
    await until(() => chart.bars.length > had && !chart.isReading);
  }
  shown.setVisibleLogicalRange({from: -50, to: 50});
  chart.markers([{sequence: 70, ts_event: 4e6, price: '2', side: 'sell'}, {sequence: 71, ts_event: 4.1e6, price: '2', side: 'sell'}]);
  seen.push(chart.bars.every((bar, n) => bar.time === n + 1), Number(box.dataset.bars), Number(box.dataset.markers), chart.past.length);
  end = 5300;
  seen.push(chart.update(range(5100, 5102)));
  await chart.renew();
  seen.push(chart.bars.length, chart.bars.every((bar, n) => bar.time === n + 1), chart.update(range(5299, 5301)), chart.bars.length);
  end = 9000;
  await chart.renew();
  await until(() => !chart.isReading);
  seen.push(chart.bars[0].time, chart.bars.at(-1).time, chart.more);
  const at = chart.bars.at(-1).time;
  const fill = {sequence: 99, ts_event: at * 1000, price: '2', side: 'sell', qty: '0.5', tag: '<b>quote'};
  chart.markers([fill, {...fill, sequence: 100, side: 'buy'}], [{at: at * 1000 + 200, side: 'sell', profit: '+1.20 USDT'}]);
  chart.tell(chart.notes.get(at), {x: 10, y: 10});
  const note = chart.note.hidden || chart.note.textContent;
  chart.tell(undefined, {x: 10, y: 10});
  seen.push(chart.note.hidden && note);
  chart.close();
  box.remove();
  return [seen, wanted.slice(0, 3), chart.said];
})
