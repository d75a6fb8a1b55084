/** The build turns these files into their text: scripts/web-assets.ts. */
declare module '*.css' {
  const text: string;
  export default text;
}
declare module '*.svg' {
  const text: string;
  export default text;
}
