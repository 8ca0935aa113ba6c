/** Where one wanted to go, below `/ui`: a page of ours, never another site's, and not to sign in again. */
export function inside(to: string | undefined): string {
  const ours = to !== undefined && /^\/(?![/\\])/.test(to) && !to.startsWith("/sign-in");
  return ours ? to : "/";
}
