// Whether a click on a link means to follow it here, and not to open it elsewhere.
export const plainly = (event) =>
  !event.defaultPrevented && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
