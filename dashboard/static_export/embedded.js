// What an exported file has instead of a server: the source of a hub.

// {describe: answer, history: [answers]} of one run, all steps of which are there.
export const embedded = ({ describe, history }) => {
  let next = 0;
  const after = { ...history.at(-1), more: false, numbers: [], frames: [], evaluations: [] };
  return { describe: async () => describe, history: async () => history[next++] ?? after };
};
