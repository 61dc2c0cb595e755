/** What the list of runs says of one run. */
type Listed = import("../answers").SidebarEntry;
type Verdict = import("../answers").SidebarVerdict;
/** [what may be done, its word]. */
type Action = [string, string];

/** What a look into a folder finds (pages/checkpoints/plain.py). */
type ScanFile = {
  path: string;
  weights: string;
  prefix: string;
  name: string;
  kind: string;
  problem: string;
  format: string;
  architectures: string[];
  labels: string[];
  bytes: number;
  warnings: string[];
};
type ScanImages = { path: string; name: string; kind: string; classes: string[]; numbered: boolean };
type ScanConfiguration = { path: string; name: string };
type ScanTask = { name: string; expert: string; head: string; images: string };
type Scan = {
  root: string;
  cut: string;
  checkpoints: ScanFile[];
  images: ScanImages[];
  configurations: ScanConfiguration[];
  suggested: { base: string; tasks: ScanTask[] };
};
type Unpacked = { images: ScanImages[]; name: string; count: number; skipped: string[] };
type Chore = import("../answers").CheckpointsChoresChore;
/** A suite file that is being put together. */
type DraftTask = ScanTask & { folders: string[]; classes: string; prompts: string; templates: string };
type Draft = { name: string; title: string; base: string; arch: string; tasks: DraftTask[] };
/** What keeps a suite from being merged (core/problem/validation.py). */
type Complaint = {
  role: string;
  file: string;
  message: string;
  tensors: { tensor: string; problem: string; expected: string; found: string }[];
};
/** What is doubtful about the inputs (core/problem/findings). */
type Doubt<A> = { severity: string; text: string; remedy: string; action: A };
type DraftDoubt = Doubt<{ task: string; set: Record<string, string> }>;
type Published = import("../answers").CheckpointsPublishedRow;
type BenchState = {
  folders: string[];
  published: Published[];
  prompts: import("../answers").CheckpointsPrompts[];
  typed: string;
  scan: Scan;
  complaints: Complaint[] | null;
  findings: DraftDoubt[];
  busy: boolean;
  browsing: boolean;
  chosen: { path: string; kind: "folder" | "file" } | null;
};
type BenchAct = {
  keep: () => void;
  redraw: () => void;
  add: (folder: string) => void;
  forget: (folder: string) => void;
  upload: (file: File, name: string, skip: boolean) => void;
  scan: (folder: string, add?: boolean) => void;
  browse: (opened: boolean) => void;
  tree: () => HTMLElement;
  fetch: (suite: string) => void;
  check: () => void;
  save: (replace?: boolean) => void;
  use: (suite: string) => void;
};

type Compared = import("../answers").CompareCompared;
type ResultRow = import("../answers").ExportResultsResultRow;
type Score = import("../answers").ExportResultsScore;
type Reported = import("../answers").ExportReportedReported;
type Offered = import("../answers").CompareOffered;
/** A column of the table of runs. */
type Column = {
  name: "agreement" | "normalised" | "seconds" | "memory" | "adapted_on" | "samples" | "steps";
  title: string;
  help: string;
  text: (row: ResultRow) => string;
};
type TableAct = { order: (column: string) => void; tick: (row: ResultRow, tick: HTMLInputElement) => void };

type StudyCard = import("../answers").StudiesCard;

type Method = import("../answers").SetupShapesForm;
type Preset = import("../answers").SetupShapesPreset;
type Field = import("../answers").SetupShapesField;
/** As a row of a form shows it. */
type Shown = Omit<Field, "essential">;
/** `labelled` and `held_out` are missing where the images can't be read (pages/setup/gallery.py). */
type TaskCard = Required<Omit<import("../answers").SetupShapesCard, "labelled" | "held_out">> &
  Pick<import("../answers").SetupShapesCard, "labelled" | "held_out">;
type OnTask = (name: string, on: boolean) => void;
type WhereField = { root: HTMLElement; on: () => string; refuse: (reason: string) => void };
type OnField = (name: string, value: unknown) => void;
type FormOf = {
  fields: Field[];
  values: Record<string, unknown>;
  suite?: Record<string, unknown>;
  onInput: OnField;
  extra: HTMLElement[];
};
type TaskCards = {
  choose: (names: Set<string>) => void;
  accuracies: (known: Record<string, import("../answers").SetupPair>) => void;
  caution: (checks: import("../answers").SetupShapesChecked[]) => void;
};
type Wanting = {
  wish: () => object;
  refused: (name: string) => void;
  load: (wish: import("../answers").SetupShapesAsked) => Promise<void>;
};
/** What Set up is told before a run: each part may be an answer, still pending, or wrong. */
type Plan = Pick<import("../answers").SetupPlan, "ahead" | "doing"> & {
  forecast: { text?: string; error?: string; pending?: unknown };
  caution: Cautioned | null;
  doubts: { found?: Answer[]; error?: string; pending?: unknown };
};
type Cautioned = Partial<import("../answers").SetupShapesCaution> & { pending?: unknown; error?: string };
type PlanAct = { leaveOut: (tasks: string[]) => void; distil: () => void };
