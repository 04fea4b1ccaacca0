/**
 * The part of a URL's path below which a service is found, such as `/audio/stems`: no dot segments, no
 * slash at the end, nothing that needs an encoding.
 */
export const URL_PATH = /^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/;
