const plain = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

export const count = (value: number): string => plain.format(value);
/** 12.3K: for places with little room. */
export const compact = (value: number): string => short.format(value);
/** A part of a whole; nothing of nothing is nothing. */
export const share = (part: number, whole: number): string => percent.format(whole > 0 ? part / whole : 0);
