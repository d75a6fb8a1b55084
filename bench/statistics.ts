/** Where several measurements of one thing lie. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** NaN of no values. */
export function toSpread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return { median: (low + high) / 2, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN };
}

/** How many times the base each value is, round by round: what slowed a whole round down slowed both. */
export function toRatios(values: readonly number[], base: readonly number[]): Spread {
  return toSpread(values.map((value, round) => value / (base[round] ?? Number.NaN)));
}

/** By how much y grows with each x, by least squares. */
export function toSlope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const sum = (toTerm: (dx: number, dy: number) => number): number =>
    points.reduce((total, [x, y]) => total + toTerm(x - meanX, y - meanY), 0);
  return sum((dx, dy) => dx * dy) / sum((dx) => dx * dx);
}

/** The exponent with which y grows: 1 where it doubles as x doubles, 2 where it then is four times as much. */
export function toGrowth([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): number {
  return Math.log(y2 / y1) / Math.log(x2 / x1);
}
