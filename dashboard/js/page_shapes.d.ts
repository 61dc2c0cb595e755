// What the list of runs says of one run (dashboard/pages/sidebar.py).
interface Listed {
  id: string;
  title: string;
  suite: string;
  tasks: number;
  status: string;
  status_words: string;
  created_words: string;
  differs: string;
  steps: number;
  steps_done: number;
  position: number;
  average: number | null;
  seconds: number;
  left: number | null;
  doing: Progress | null;
  notice: string;
  verdict: Verdict | null;
  owner: boolean;
  resumable: boolean;
}
// Whether a result is better or worse than what it is held against, and what does better.
interface Verdict {
  code: string;
  kind: string;
  text: string;
  title: string;
  remedy: { suite: string; method: string; tasks: string[] } | null;
}
/** [what may be done, its word]. */
type Action = [string, string];
