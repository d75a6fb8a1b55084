/** The build turns the script into its text: scripts/web-assets.ts. */
declare const text: string;
export default text;
