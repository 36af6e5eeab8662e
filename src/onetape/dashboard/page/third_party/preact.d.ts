// What the pages take of Preact with htm, for `make lint`.
export function html(strings: TemplateStringsArray, ...values: unknown[]): any;
export function render(what: unknown, into: Element | null): void;
export function useEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useRef<T = any>(initial: T): { current: T };
// Objects come from elsewhere and are any; what is plain keeps its type.
type State<T> = T extends object ? any : T;
export function useState<T = any>(initial: T): [State<T>, (next: State<T> | ((old: State<T>) => State<T>)) => void];
