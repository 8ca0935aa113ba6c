const plain = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
/** Of less than 1, what counts are the first digits other than 0, not the places after the point. */
const small = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

export const count = (value: number): string => (Math.abs(value) < 1 ? small : plain).format(value);
/** 12.3K: for places with little room. */
export const compact = (value: number): string => (Math.abs(value) < 10 ? small : short).format(value);
/** A part of a whole; nothing of nothing is nothing. */
export const share = (part: number, whole: number): string => percent.format(whole > 0 ? part / whole : 0);
