/**
 * Numbers and times as people read them.
 */
import { count } from '../../lib/format.js';

/** `1:05`, or `1:02:05` from an hour on. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0
    ? `${String(hours)}:${String(minutes).padStart(2, '0')}:${rest}`
    : `${String(minutes)}:${rest}`;
}

/** `1:05.2`, for positions. */
export const exactClock = (seconds: number): string => {
  const tenths = Math.max(0, Math.floor(seconds * 10));
  return `${clock(tenths / 10)}.${String(tenths % 10)}`;
};

/** `about 2 minutes`. */
export function duration(seconds: number): string {
  if (seconds < 60) return count(Math.max(1, Math.round(seconds)), 'second');
  if (seconds < 7200 && seconds % 3600 !== 0) return count(Math.round(seconds / 60), 'minute');
  if (seconds < 129_600) return count(Math.round(seconds / 3600), 'hour');
  return count(Math.round(seconds / 86_400), 'day');
}

export function bytes(size: number): string {
  if (size < 1e6) return `${String(Math.max(1, Math.round(size / 1e3)))} KB`;
  return size < 1e9
    ? `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB`
    : `${(size / 1e9).toFixed(1)} GB`;
}

/** `−23 dB`; for silence `−∞ dB`. */
export const decibels = (level: number): string =>
  level <= 0 ? '−∞ dB' : `${(20 * Math.log10(level)).toFixed(1).replace('-', '−')} dB`;

/** `vocals` as a title: `Vocals`; `no_vocals`: `No vocals`. */
export const stemTitle = (name: string): string => {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export const dateTime = (iso: string): string =>
  new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
