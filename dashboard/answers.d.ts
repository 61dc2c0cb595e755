// What each question is answered; made by `python -m tests.dashboard.declared` from the types of its desk.

export interface DoorDone {
  ok: boolean;
}
export interface DoorFailed {
  error: string;
}
export interface CheckpointsFolders {
  folders: Array<string>;
}
export interface CheckpointsLevel {
  folders: Array<string>;
  files: Array<string>;
  pictures: number;
  left: number;
}
export interface CheckpointsGoing {
  chore: CheckpointsChoresChore | null;
}
export interface CheckpointsChoresChore {
  number: number;
  kind: string;
  about: string;
  status: string;
  ended: boolean;
  label: string;
  done: number;
  total: number | null;
  left: number | null;
  error: string;
  result: any;
}
export interface CheckpointsKept {
  suite: string;
  path: string;
}
export interface CheckpointsBench {
  folders: Array<string>;
  chore: CheckpointsChoresChore | null;
  published: Array<CheckpointsPublishedRow>;
  prompts: Array<CheckpointsPrompts>;
}
export interface CheckpointsPublishedRow {
  name: string;
  title: string;
  tasks: number;
  ready: boolean;
  missing: number;
  parts: number;
}
export interface CheckpointsPrompts {
  name: string;
  title: string;
  classes: number;
}
export interface PlaygroundShapesSaid {
  picture: string;
  task: string | null;
  truth: string | null;
  step: number;
  models: Array<string>;
  said: Record<string, Record<string, Array<PlaygroundShapesShown>>>;
}
export interface PlaygroundShapesShown {
  label: string;
  share: number;
  true: boolean;
}
export interface DoorPending {
  pending: ProgressStanding;
}
export interface ProgressStanding {
  label: string;
  done: number;
  total: number | null;
  left: number | null;
}
export interface CompareCompared {
  table: ExportResultsResults;
  between: Record<string, Array<Array<number> | null>>;
  verdicts: Record<string, string>;
  suite: string;
  suites: Array<[string, string]>;
  active: number;
  missing: Array<CompareOffered>;
}
export interface ExportResultsResults {
  suite: string;
  tasks: Array<string>;
  titles: Array<string>;
  rows: Array<ExportResultsResultRow>;
  measure: ExportReportedReported;
  measures: Array<ExportReportedReported>;
}
export interface ExportResultsResultRow {
  id: string;
  kind: "run" | "reference" | "published";
  name: string;
  method: string;
  cells: Array<ExportResultsScore>;
  average: number | null;
  interval: [number, number] | null;
  best: boolean;
  normalised: number | null;
  agreement: number | null;
  kl: number | null;
  kept_step: number | null;
  verdict: string;
  complete: boolean;
  merged: number;
  adapted_on: string;
  samples: number | null;
  steps: number | null;
  seconds: number | null;
  memory: number | null;
  created: string;
  settings: Record<string, any>;
  note: string;
  group: "one" | "labelled" | "several" | "edited" | "reference" | "published";
  needs: string;
  parent: string;
  changes: string;
  differs: string;
  contest: string;
  others: Record<string, number>;
  label: string;
}
export interface ExportResultsScore {
  accuracy: number | null;
  low: number | null;
  high: number | null;
  normalised: number | null;
  best: boolean;
  others: Record<string, number>;
}
export interface ExportReportedReported {
  name: string;
  title: string;
  help: string;
  best: "highest" | "lowest" | "";
  own: boolean;
}
export interface CompareOffered {
  name: string;
  title: string;
  family: string;
  summary: string;
  cost: string;
}
export interface CompareFigures {
  bars: ChartsFigureWidths | null;
  radar: ChartsFigureWidths | null;
  time: ChartsFigureWidths | null;
}
export interface ChartsFigureWidths {
  wide: ChartsFigureFigure;
  narrow: ChartsFigureFigure;
}
export interface ChartsFigureFigure {
  data: Array<Record<string, any>>;
  layout: Record<string, any>;
}
export interface CompareStarted {
  started: Array<string>;
  problem: string;
}
export interface DoorFile {
  text: string;
  name: string;
}
export interface PlaygroundShapesConfusion {
  step: number;
  classes: number;
  images: number;
  correct: number;
  expert_correct: number | null;
  only_expert: number;
  mistakes: Array<PlaygroundShapesMistake>;
  figures: ChartsFigureWidths;
}
export interface PlaygroundShapesMistake {
  index: number;
  picture: string;
  label: string;
  said: string;
  share: number;
}
export interface PlaygroundShapesUnlabelled {
  classes: number;
  images: number;
  unlabelled: boolean;
}
export interface ChartsFeedDescription {
  run: string;
  name: string;
  status: string;
  adapted_on: string;
  tasks: Array<ChartsFeedTask>;
}
export interface ChartsFeedTask {
  name: string;
  title: string;
}
export interface LayersFactsFacts {
  norms: Array<Array<number>>;
  conflict: Array<Array<number | null>>;
}
export interface ChartsFeedHistory {
  run: string;
  status: string;
  steps: number;
  steps_done: number;
  kept: number | null;
  elapsed: number;
  memory: number | null;
  failure: string | null;
  device: string;
  precision: string;
  stride: number;
  cursor: number;
  more: boolean;
  seen: number;
  numbers: Array<number>;
  seconds: Array<number>;
  entropies: string;
  losses: string;
  frames: Array<number>;
  coefficients: string;
  columns?: Array<[string, string, string, string]>;
  origin?: string;
  marks: Record<string, Array<ChartsMarksMark>>;
  evaluations: Array<ChartsMarksSummary>;
  agreements: Array<ChartsMarksAgreement>;
  between: Array<Array<number> | null>;
  notices: Array<ChartsCautionNotice>;
}
export interface ChartsMarksMark {
  name: string;
  title: string;
  values: Array<number | null>;
}
export interface ChartsMarksSummary {
  step: number;
  full: boolean;
  images: number;
  accuracy: Array<number | null>;
  low: Array<number | null>;
  high: Array<number | null>;
  entropy: Array<number | null>;
}
export interface ChartsMarksAgreement {
  step: number;
  half: string;
  images: number;
  agreement: Array<number | null>;
  kl: Array<number | null>;
}
export interface ChartsCautionNotice {
  task: string;
  kind: string;
  text: string;
}
export interface StudiesGuideTold {
  suite: string;
  source: string;
  decisions: Array<StudiesGuideDecision>;
  cards: Array<StudiesGuideMethodCard>;
}
export interface StudiesGuideDecision {
  have: string;
  use: Array<string>;
  how: string;
  always: boolean;
}
export interface StudiesGuideMethodCard {
  name: string;
  title: string;
  summary: string;
  formula: string;
  paper: string;
  needs: string;
  trains: string;
  cost: string;
  single: boolean;
  role: "lower reference" | "upper reference" | "yardstick" | "rival";
  group: string;
  accuracy: number | null;
  seconds: number | null;
  behind: number | null;
}
export interface ChartsOthers {
  runs: Array<ChartsNamed>;
}
export interface ChartsNamed {
  id: string;
  name: string;
}
export interface SidebarListed {
  runs: Array<SidebarEntry>;
  current: SidebarEntry | null;
  known: Array<SidebarKnown>;
  more: boolean;
  machine: string;
  writer: SidebarWriter | null;
}
export interface SidebarEntry {
  id: string;
  title: string;
  differs: string;
  method: string;
  suite: string;
  status: string;
  status_words: string;
  tasks: number;
  steps: number;
  steps_done: number;
  seconds: number;
  left: number | null;
  position: number | null;
  doing: ProgressStanding | null;
  average: number | null;
  created_words: string;
  owner: boolean;
  resumable: boolean;
  notice: string;
  verdict: SidebarVerdict | null;
  machine: string;
}
export interface SidebarVerdict {
  code: string;
  kind: string;
  text: string;
  remedy: SidebarWanted | null;
  title: string;
}
export interface SidebarWanted {
  suite: string;
  tasks: Array<string>;
  method: string;
}
export interface SidebarKnown {
  id: string;
  status: string;
}
export interface SidebarWriter {
  text: string;
  gone: boolean;
}
export interface PlaygroundShapesSamples {
  samples: Array<PlaygroundShapesSample>;
  task: string;
  tasks: Array<PlaygroundShapesTask>;
}
export interface PlaygroundShapesSample {
  index: number;
  picture: string;
  label: string;
}
export interface PlaygroundShapesTask {
  name: string;
  title: string;
  expert: boolean;
}
export interface SetupAccuracies {
  pending: boolean;
  accuracies: Record<string, SetupPair>;
  problem: string;
}
export interface SetupPair {
  base: number | null;
  expert: number | null;
}
export interface SetupCatalogue {
  suites: Array<SetupSuite>;
  suite: string;
  broken: Array<string>;
  methods: Array<SetupShapesForm>;
  devices: Array<string>;
  alone: string;
  startable: boolean;
}
export interface SetupSuite {
  name: string;
  title: string;
  description: string;
  tasks: number;
  missing: Array<string>;
}
export interface SetupShapesForm {
  name: string;
  title: string;
  family: string;
  summary: string;
  paper: string;
  cost: string;
  trains: string;
  needs: string;
  fields: Array<SetupShapesField>;
}
export interface SetupShapesField {
  name: string;
  title: string;
  help: string;
  kind: string;
  choices: Array<SetupShapesChoice>;
  default: boolean | number | string | null;
  source: string;
  essential: boolean;
  min: number | null;
  max: number | null;
  above: number | null;
  below: number | null;
}
export interface SetupShapesChoice {
  value: string;
  title: string;
}
export interface SetupShapesAsked {
  suite: string;
  tasks: Array<string>;
  method: string;
  settings: Record<string, any>;
  evaluate_every: number;
  name: string;
  device: string;
  precision: string;
  on: string;
}
export interface SetupPlan {
  forecast: SetupShapesExpected | DoorWaiting | DoorFailed;
  caution: SetupShapesCaution | DoorPending | DoorFailed | null;
  doubts: SetupShapesFound | DoorPending | DoorFailed;
  doing: ProgressStanding | null;
  ahead: number;
  needs: string;
}
export interface SetupShapesExpected {
  seconds: number;
  text: string;
}
export interface DoorWaiting {
  pending: boolean;
}
export interface SetupShapesCaution {
  tasks: Array<SetupShapesChecked>;
  overall: string;
  distil: boolean;
}
export interface SetupShapesChecked {
  task: string;
  trusted: boolean;
  advice: string;
  start: SetupShapesLikeness;
  end: SetupShapesLikeness;
}
export interface SetupShapesLikeness {
  kl: number | null;
  agreement: number | null;
}
export interface SetupShapesFound {
  found: Array<Record<string, any>>;
}
export interface SetupWrong {
  wrong: string;
}
export interface SetupSaved {
  yaml: string;
  file: string;
}
export interface SetupStarted {
  run: string;
}
export interface SetupTasks {
  suite: string;
  tasks: Array<SetupShapesCard>;
  presets: Record<string, Array<SetupShapesPreset>>;
}
export interface SetupShapesCard {
  name?: string;
  title?: string;
  classes?: Array<string>;
  class_count?: number;
  expert?: boolean;
  images?: Record<string, number>;
  labelled?: boolean;
  held_out?: string;
  strip?: string;
  problem?: string;
}
export interface SetupShapesPreset {
  name: string;
  title: string;
  help: string;
  settings: Record<string, any>;
}
export interface ShareMade {
  link: ShareShown;
}
export interface ShareShown {
  id: string;
  run: string;
  scope: string;
  label: string;
  created: number;
  expires: number;
  path: string;
  tunnel: boolean;
}
export interface ShareWay {
  path: string;
}
export interface ShareLinks {
  local: boolean;
  tunnel: ShareTunnel;
  links: Array<ShareShown>;
}
export interface ShareTunnel {
  wanted: boolean;
  url: string;
  problem: string;
}
export interface ShareOffer {
  files: Array<ShareOffered>;
  name: string;
  title: string;
  status: string;
}
export interface ShareOffered {
  title: string;
  help: string;
  suffix: string;
  url: string;
}
export interface SimilarityDescriptionRelations {
  tasks: Array<string>;
  groups: Array<string>;
  cosine: Record<string, Array<Array<number | null>>>;
  conflict: Record<string, Array<Array<number | null>>>;
  norms: Record<string, Array<number | null>>;
  advice: Array<SimilarityDescriptionTold>;
  figures: Record<string, ChartsFigureWidths>;
}
export interface SimilarityDescriptionTold {
  kind: string;
  title: string;
  text: string;
}
export interface StudiesListed {
  suite: string;
  suites: Array<[string, string]>;
  studies: Array<StudiesCard>;
  owner: boolean;
  alone: string;
}
export interface StudiesCard {
  name: string;
  title: string;
  question: string;
  paper: string;
  state: StudiesViewState | null;
}
export interface StudiesViewState {
  id: string;
  status: string;
  total: number;
  done: number;
  share: number;
  left: number | null;
  doing: string;
  quick: boolean;
  error: string;
  failed: number;
}
export interface StudiesCosts {
  costs: Record<string, StudiesCost>;
}
export interface StudiesCost {
  runs: number;
  text: string;
}
export interface StudiesFound {
  tables: Array<StudiesViewShown>;
  published: Array<StudiesViewShown>;
  charts: Array<StudiesViewChart>;
  findings: Array<string>;
  card: StudiesCard;
  said: string;
}
export interface StudiesViewShown {
  title: string;
  source: string;
  heads: Array<string>;
  rows: Array<StudiesViewRow>;
}
export interface StudiesViewRow {
  cells: Array<string>;
  note: string;
  best: Array<boolean>;
}
export interface StudiesViewChart {
  wide: ChartsFigureFigure;
  narrow: ChartsFigureFigure;
  title: string;
}
export interface StudiesStarted {
  id: string;
}
export interface LayersWorkshopWhatIf {
  images: number;
  tasks: Array<LayersWorkshopCompared>;
}
export interface LayersWorkshopCompared {
  learned: LayersWorkshopMeasured;
  edited: LayersWorkshopMeasured;
}
export interface LayersWorkshopMeasured {
  accuracy: number | null;
  entropy: number;
}
export interface LayersWorkshopSaved {
  saved: string;
}
export interface Answers {
  bench_cancel: DoorDone | DoorFailed;
  bench_check: DoorDone | DoorFailed;
  bench_fetch: DoorDone | DoorFailed;
  bench_folder: CheckpointsFolders | DoorFailed;
  bench_level: CheckpointsLevel | DoorFailed;
  bench_poll: CheckpointsGoing | DoorFailed;
  bench_save: CheckpointsKept | DoorFailed;
  bench_scan: DoorDone | DoorFailed;
  bench_state: CheckpointsBench | DoorFailed;
  bench_unpack: DoorDone | DoorFailed;
  classify: PlaygroundShapesSaid | DoorPending | DoorFailed;
  classify_picture: PlaygroundShapesSaid | DoorPending | DoorFailed;
  compare: CompareCompared | DoorFailed;
  compare_figures: CompareFigures | DoorFailed;
  compare_start: CompareStarted | DoorFailed;
  compare_text: DoorFile | DoorFailed;
  confusion: PlaygroundShapesConfusion | PlaygroundShapesUnlabelled | DoorPending | DoorFailed;
  describe: ChartsFeedDescription | DoorFailed;
  facts: LayersFactsFacts | DoorPending | DoorFailed;
  history: ChartsFeedHistory | DoorFailed;
  method_guide: StudiesGuideTold | DoorFailed;
  run_action: DoorDone | DoorFailed;
  runs: ChartsOthers | DoorFailed;
  runs_list: SidebarListed | DoorFailed;
  samples: PlaygroundShapesSamples | DoorPending | DoorFailed;
  setup_accuracies: SetupAccuracies | DoorFailed;
  setup_catalogue: SetupCatalogue | DoorFailed;
  setup_load: SetupShapesAsked | DoorFailed;
  setup_plan: SetupPlan | SetupWrong | DoorFailed;
  setup_save: SetupSaved | DoorFailed;
  setup_start: SetupStarted | DoorFailed;
  setup_tasks: SetupTasks | DoorFailed;
  share_create: ShareMade | DoorFailed;
  share_delete: DoorDone | DoorFailed;
  share_device: ShareWay | DoorFailed;
  share_links: ShareLinks | DoorFailed;
  share_offer: ShareOffer | DoorFailed;
  share_rename: DoorDone | DoorFailed;
  share_revoke: DoorDone | DoorFailed;
  share_sign_out: ShareWay | DoorFailed;
  similarity: SimilarityDescriptionRelations | DoorPending | DoorFailed;
  studies: StudiesListed | DoorFailed;
  study_cancel: DoorDone | DoorFailed;
  study_estimate: StudiesCosts | DoorPending | DoorFailed;
  study_result: StudiesFound | DoorFailed;
  study_start: StudiesStarted | DoorFailed;
  study_text: DoorFile | DoorFailed;
  take_over: DoorDone | DoorFailed;
  whatif: LayersWorkshopWhatIf | DoorWaiting | DoorFailed;
  whatif_save: LayersWorkshopSaved | DoorPending | DoorFailed;
}
