/** Reports what somebody else's listener has thrown as uncaught, but behind what is under way: that goes on. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
