// What an exported file has instead of a server: the source of a hub.

/** @type {(whole: Recorded) => Source} */
export const embedded = ({ describe, history }) => {
  let next = 0;
  const after = { ...history[history.length - 1], more: false, numbers: [], frames: [], evaluations: [] };
  return { describe: async () => describe, history: async () => history[next++] ?? after };
};
