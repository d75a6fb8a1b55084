import type { CommandName } from '#cli/commands';

const OVERVIEW = `The command line of connected-registry-puller, for whoever stands at the device.
<module> is the name of the container, mostly puller.

  docker exec <module> status          where each image stands
  docker exec <module> check           what works at the registries, step by step
  docker exec <module> pull            pull now what is listed and not here
  docker exec <module> version         the version of this module

Each has options: docker exec <module> status --help
Exit codes: 0 well, 1 not well, 2 not understood, 3 the module does not answer.
`;

const DETAILS: Readonly<Record<CommandName, string>> = {
  status: `docker exec <module> status [--watch] [--json]

Shows the registries, each image with its progress, and what to do about what failed.

  -w, --watch   shows it again every 2 s, for an hour or until Ctrl-C (docker exec -it …)
      --json    as GetStatus answers it; with --watch one line each time

Exit codes: 0 every image is ready, 1 not every one, 2 not understood, 3 the module does not answer.
`,
  check: `docker exec <module> check [registry] [--image repository[:tag]] [--json]

Says step by step what works at a registry and what to do about the rest: whether the engine and the relay reach it,
each password, and, with --image, whether they may read that image. Checks all registries that are listed, or the one
that is named: by its name in registryCredentials, or by its address.

      --image   for instance acme/camera:1.4; needs the registry where several are listed
      --json    as CheckRegistry answers it

Exit codes: 0 all can be pulled from, by engine or relay, 1 not all, 2 not understood, 3 the module does not answer.
`,
  pull: `docker exec <module> pull [name…] [--force] [--no-wait] [--json]

Pulls now what is listed, whatever the retry delay and the pull window, and waits until that is done or has failed, for
four hours at most.
Names are the keys of images in the module twin; without a name all are meant. What is here and has not moved at the
registry moves no byte.

  -f, --force   pulls also what is here and would not be asked for
      --no-wait returns at once
      --json    the result as JSON

Exit codes: 0 all are here, 1 not all, 2 not understood or no such image, 3 the module does not answer.
`,
  version: `docker exec <module> version

Shows the version, and since when the module has been running.
`,
};

/** The help on one command, or on all. */
export function toHelp(name: CommandName | undefined): string {
  return name === undefined ? OVERVIEW : DETAILS[name];
}
