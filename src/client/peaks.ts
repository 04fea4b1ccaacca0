/**
 * Peaks as the service sends them: audiowaveform data, version 2.
 */
import { ServiceError } from './service-error.js';

export interface Peaks {
  /** Hz. */
  sampleRate: number;
  /** Sample frames for which there is one pixel. */
  framesPerPixel: number;
  /** Lowest and highest sample of each pixel, one after the other, from -128 to 127. */
  data: Int8Array;
}

const HEADER_BYTES = 24;

/** @throws ServiceError ANSWER_INVALID */
export function readPeaks(bytes: ArrayBuffer): Peaks {
  const view = new DataView(bytes);
  const field = (index: number) => view.getInt32(index * 4, true);
  const isKnown = bytes.byteLength >= HEADER_BYTES && field(0) === 2 && field(1) === 1;
  if (!isKnown || bytes.byteLength !== HEADER_BYTES + field(4) * field(5) * 2) {
    throw new ServiceError('ANSWER_INVALID', 'The peaks are not audiowaveform data of version 2');
  }
  return {
    sampleRate: field(2),
    framesPerPixel: field(3),
    data: new Int8Array(bytes, HEADER_BYTES),
  };
}
