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
/** A part of a figure as Plotly takes it, or of what it tells of one. */
type Drawn = any;
type Figure = { data: Drawn[]; layout: Drawn };
type Sized = (size: Size) => Figure | null;
type FigureOf = (size: Size, run: Run) => Figure | null;
type Size = { width: number; height: number };
/** How a line looks. */
type Stroke = { color: string; width: number; dash?: string };
type LineTrace = Record<string, unknown> & { x: number[]; y: Maybe[] };
/** A name at the end of a line. */
type EndLabel = { value: Maybe; text: string; colour: string };
/** [sign, text, kind] of a key to a figure. */
type Sign = [string, string, string];
type CardOptions = { height: number; wide?: boolean; note?: string };
/** What a chart listens to. */
type Listening = { onClick?: ((point: Drawn) => void) | null; onZoom?: boolean };

type Run = import("./run.js").Run;
type Hub = import("./hub.js").Hub;
/** What a hub asks: the server, or data inside an exported file. */
type Source = {
  describe: (question: { run: string }) => Promise<Told<"describe">>;
  history: (question: object) => Promise<Told<"history">>;
};
type Task = import("../../answers").ChartsFeedTask;
type Mark = import("../../answers").ChartsMarksMark;
type Evaluation = import("../../answers").ChartsMarksSummary;
type Agreement = import("../../answers").ChartsMarksAgreement;
/** A column of λ: a parameter tensor, or what shares one coefficient. */
type Tensor = { name: string; label: string; block: string; kind: string };
/** Columns that are shown as one; `members` are their places. */
type Group = Tensor & { key: string; members: number[] };
type Detail = "tensor" | "block" | "kind";
/** λ of a step, as differences to the origin. */
type Frame = { number: number; halves: Uint16Array };
type Step = { number: number; seconds: number; entropy: Float32Array; loss: Float32Array };
type Curve = "entropy" | "loss";
/** What most figures of a run are made of; `chosen` is the task in front or -1. */
type RunView = { run: Run; step: number | null; chosen: number };
type Edit = { task: string; where: string; op: "set" | "scale" | "add"; value: number };
/** What Live shows. */
type LiveState = {
  task: number;
  cell: Cell | null;
  accuracy: "now" | "steps";
  what: Curve;
  measure: "agreement" | "kl";
  set: (changes: Partial<LiveState>) => void;
};
/** What Layers shows. */
type LayersState = {
  detail: Detail;
  show: "value" | "start" | "other";
  pair: "side" | "difference";
  task: number;
  cell: { task: number; key: string } | null;
  edits: Edit[];
  changed: () => void;
};
type Rights = { asks?: boolean; owner?: boolean };
/** The scale of a map: a span is around zero. */
type Scale = { unit: string } & ({ range: number[]; span?: undefined } | { span: number; range?: undefined });
/** Of a map: a cell. */
type Cell = { task: number; group: number };
type CellPoint = { pointIndex: [task: number, group: number]; curveNumber: number };
/** What a map of λ shows beside its values. */
type MapView = Scale & { selected: Cell | null; zoomed: number[] | null };
/** A card of a view of a run. */
type RunCard = { root: HTMLElement; update: () => void };
/** What an exported file has of a run. */
type Recorded = { describe: Told<"describe">; history: Told<"history">[] };
/** What a what-if measured of a task. */
type Effect = import("../../answers").LayersWorkshopCompared;
type Track = { x: number[]; y: number[] };
/** Of work that takes a while (core/progress.py). */
type Progress = import("../../answers").ProgressStanding;
/** What is told instead of a page: `retry` is called by "Try again", `setup` leads to Set up. */
type Waiting = {
  title: string;
  text?: string;
  done?: number;
  total?: Maybe;
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
