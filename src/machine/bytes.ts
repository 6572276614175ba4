/**
 * @module machine/bytes
 * Amounts of bytes for people.
 */

const units = ["B", "kB", "MB", "GB", "TB"];

/** Powers of 1000, as the Hub and disks count: `17 B`, `15.5 kB`, `8.61 GB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  const digits = power === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[power]}`;
}
