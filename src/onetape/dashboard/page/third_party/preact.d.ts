// What the pages take of Preact with htm, for `make lint`.
export function html(strings: TemplateStringsArray, ...values: unknown[]): any;
export function render(what: unknown, into: Element | null): void;
export function useEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useRef<T = any>(initial: T): { current: T };
export function useState<T = any>(initial: T): [T, (next: T | ((old: T) => T)) => void];
