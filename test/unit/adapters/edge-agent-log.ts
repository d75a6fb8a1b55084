/**
 * What edgeAgent takes lines apart with, for `iotedge logs`, GetModuleLogs and UploadModuleLogs.
 *
 * @see https://github.com/Azure/iotedge/blob/94e4593a8e/edge-agent/src/Microsoft.Azure.Devices.Edge.Agent.Core/logs/LogMessageParser.cs
 */
export const EDGE_AGENT =
  /^((?<dockerTimestamp>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{9}Z))?\s*(<(?<logLevel>\d)>)?\s*((?<timestamp>\d{4}-\d{2}-\d{2}\s\d{2}:\d{2}:\d{2}.\d{3}\s[+-]\d{2}:\d{2})\s)?\s*(?<logtext>.*)/;
