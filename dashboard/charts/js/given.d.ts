// What Python adds to a program (dashboard/charts/bundle.py).
export const palette: { themes: Record<"light" | "dark", Theme>; config: object };
/** Statuses of a run, or a study, that goes on. */
export const ACTIVE: string[];
/** Statuses from which it can go on again. */
export const RESUMABLE: string[];
