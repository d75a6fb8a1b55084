/** What `npm run lab -- --help` says. */
export const HELP = `One machine plays an IoT Edge device: edgeHub, a registry on site, a Docker
engine, and the module between them.

npm run lab -- <command>

Start something; it stays up until Ctrl-C or stop
  up [--engine <address>]   everything: edge, registry with images, engine, module
  edge                      edgeHub and the workload API; prints a module's environment
  registry                  a registry behind a login, empty
  engine                    a Docker engine of its own (needs root)

Drive what is up, from another terminal
  twin get                  the desired properties
  twin set <json>           replaces them
  twin patch <json>         merges into them; null takes a property away
  reported                  what the module reports
  method <Name> [<json>]    calls a direct method: ping, GetStatus, PullImages…
  logs [--follow]           what the module wrote
  fault                     everything that can be broken, and whether it is
  fault edge|registry <name> <value>|on|off
                            breaks or heals it: fault registry away on
  password rotate [1|2]     the registry renews one of the device's passwords
  images                    the images that the lab can make
  images push [<repository:tag> [--layer <name>:<MB>]…]
                            puts all of them, or one that you make up, into the
                            registry; equal layers are shared
  stop                      ends what is up, and waits until it is gone

<json>   JSON, @file, or - for standard input. <password1> and <password2> in it
         stand for the device's passwords, which are never printed.
--engine an engine that is there, such as unix:///var/run/docker.sock, instead of
         one of its own. What was pulled is removed from it in the end.
Faults   are described in lab/edge/faults.ts and lab/registry/faults.ts.

Exit codes: 0 done, 1 refused or failed, 2 not understood, 3 nothing is up
`;
