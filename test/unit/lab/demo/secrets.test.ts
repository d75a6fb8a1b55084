import { expect, it } from 'vitest';
import { concealPasswords, revealPasswords } from '#lab/demo/secrets';

const LABELS = new Map([
  ['<password1>', 'first-secret'],
  ['<password2>', 'second-secret'],
]);

const toTwin = (password: string) => ({
  registryCredentials: { plant: { username: 'device', password } },
  images: { camera: { image: 'acme/camera:1.4', tagAs: ['contoso.example/camera:1.4'], priority: 3 } },
});

it('shows a known password as its label, and takes the label for the password', () => {
  const shown = concealPasswords(toTwin('second-secret'), LABELS);
  expect(shown).toEqual(toTwin('<password2>'));
  expect(revealPasswords(shown, LABELS)).toEqual(toTwin('second-secret'));
});

it('shows nothing of a password that it does not know', () => {
  expect(concealPasswords(toTwin('third-secret'), LABELS)).toEqual(toTwin('<hidden>'));
  expect(concealPasswords(toTwin('third-secret'))).toEqual(toTwin('<hidden>'));
});

it('finds a known password wherever it stands', () => {
  expect(concealPasswords({ notes: ['first-secret'] }, LABELS)).toEqual({ notes: ['<password1>'] });
});

it('refuses to write a password that was shown as hidden', () => {
  expect(() => revealPasswords(toTwin('<hidden>'), LABELS)).toThrow('<hidden> stands for a password');
});
