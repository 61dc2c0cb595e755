// Shapes that travel between the charts.
interface Theme {
  [name: string]: any; // what Plotly's template wants
  kinds: Record<string, string>;
  text: string;
  muted: string;
  line: string;
  card: string;
  accent: string;
  warm: string;
}

type Question = keyof import("../../answers").Answers;
/** What comes of asking: the declared answer where there is no `error` and nothing is `pending`. */
type Told<Q extends Question> = Exclude<
  import("../../answers").Answers[Q],
  import("../../answers").DoorFailed | import("../../answers").DoorPending
> & { error?: string; later?: boolean; pending?: Progress };
/** Parts of answers whose shape stands in the desk's Python alone. */
type Answer = any;
/** A figure as Plotly takes it. */
type Figure = { data: any[]; layout: any };
type Size = { width: number; height: number };
/** Of work that takes a while (core/progress.py). */
type Progress = import("../../answers").ProgressStanding;
/** What is told instead of a page: `retry` is called by "Try again", `setup` leads to Set up. */
type Waiting = {
  title: string;
  text?: string;
  done?: number;
  total?: number;
  retry?: () => void;
  setup?: (() => void) | null;
  wrong?: boolean;
};

/** What an element is made of; `on…` are listeners, `text` its text. */
type Attributes = Record<string, any>;
type Child = Node | string | null | undefined | false;
/** [value, text] of an <option>. */
type Choice = [string, string];
/** A number that may not be known. */
type Maybe = number | null | undefined;
