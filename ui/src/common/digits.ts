/** Numbers that JavaScript does not keep as they are written: what a double cannot hold is changed without a word. */

const NUMBER = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** As many digits a double keeps of any number. */
const SAFE_DIGITS = 15;

/**
 * Whether a number that is written so means the same once it is read. A whole number beyond 2^53 does not, even where
 * its digits stay: it may come from a neighbour that became it.
 */
export function isKept(text: string): boolean {
  const written = decimal(text);
  const value = Number(text);
  if (!written || !Number.isFinite(value) || written.spelled !== decimal(String(value))?.spelled) return false;
  return !/^[+-]?\d+$/.test(text) || Number.isSafeInteger(value) || written.digits.length <= SAFE_DIGITS;
}

/** The first number of a JSON text that would be changed, and its offset. */
export function changedNumber(json: string): { number: string; at: number } | null {
  for (const found of json.matchAll(TOKEN)) {
    const [number] = found;
    if (!number.startsWith('"') && !isKept(number)) return { number, at: found.index };
  }
  return null;
}

export function tooManyDigits(number: string): string {
  const shown = number.length > 60 ? `${number.slice(0, 60)}…` : number;
  return `${shown} has more digits than can be kept here; write it as text`;
}

/** The same text for the same number, exactly: its digits from the first to the last that counts, and their place. */
function decimal(text: string): { digits: string; spelled: string } | null {
  const found = NUMBER.exec(text);
  const [, sign = "", whole = "", part = "", exponent = "0"] = found ?? [];
  if (!found || whole + part === "") return null;
  const all = (whole + part).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  if (digits === "") return { digits, spelled: "0" };
  const place = Number(exponent) - part.length + all.length - digits.length;
  return { digits, spelled: `${sign === "-" ? "-" : ""}${digits}e${place}` };
}
