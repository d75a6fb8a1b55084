import type { GreetingArchitecture } from './elf.ts';
import { greetingProgram } from './elf.ts';
import type { ImageFormat, MultiPlatformImage, PlatformImage } from './image.ts';
import { assembleImage, multiPlatformImage } from './image.ts';
import { fileLayer } from './layer.ts';

const ARCHITECTURES = {
  'linux/amd64': 'amd64',
  'linux/arm64': 'arm64',
} as const satisfies Record<string, GreetingArchitecture>;

/** A platform that hello-world is made for. */
export type HelloWorldPlatform = keyof typeof ARCHITECTURES;

/** What hello-world prints, with a line's end. */
export function helloWorldGreeting(platform: HelloWorldPlatform): string {
  return `Hello from a connected registry! (${platform})\n`;
}

/** The program in the image, which runs without it too. */
export function helloWorldProgram(platform: HelloWorldPlatform): Buffer {
  return greetingProgram(ARCHITECTURES[platform], helloWorldGreeting(platform));
}

/** An image of a few hundred bytes that runs: it prints {@link helloWorldGreeting} and ends. */
export async function helloWorld(
  platform: HelloWorldPlatform = 'linux/amd64',
  format: ImageFormat = 'docker',
): Promise<PlatformImage> {
  const layer = await fileLayer('hello', helloWorldProgram(platform));
  return assembleImage([layer], { platform, format, config: { Cmd: ['/hello'], WorkingDir: '/' } });
}

/** hello-world for every platform it is made for. */
export async function multiPlatformHelloWorld(format: ImageFormat = 'docker'): Promise<MultiPlatformImage> {
  const platforms = Object.keys(ARCHITECTURES) as HelloWorldPlatform[];
  return multiPlatformImage(await Promise.all(platforms.map((platform) => helloWorld(platform, format))));
}
