// What the scripts use of the vendored Plotly, and what hangs on the window.
declare const Plotly: {
  react(place: HTMLElement, data: any[], layout: any, config: object): void;
  purge(place: HTMLElement): void;
  downloadImage(place: HTMLElement, options: object): Promise<unknown>;
};
/** An element with a chart in it. */
type Plotted = HTMLElement & { on(name: string, listener: (event: any) => void): void; layout?: any };
interface Window {
  Plotly?: typeof Plotly;
  mergescope: object;
}
