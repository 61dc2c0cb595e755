/** What the list of runs says of one run. */
type Listed = import("../answers").SidebarEntry;
type Verdict = import("../answers").SidebarVerdict;
/** [what may be done, its word]. */
type Action = [string, string];
