// What the pages take of Lightweight Charts, for `make lint`.
export const CandlestickSeries: unknown, LineSeries: unknown;
export function createChart(box: Element, options: object): any;
export function createSeriesMarkers(series: unknown, markers: object[]): any;
