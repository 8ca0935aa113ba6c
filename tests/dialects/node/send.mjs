// Sends what test_clients.py looks for, as the client's own documentation shows it. Prints every refusal.
import { Analytics } from "@segment/analytics-node";

const [host, writeKey, user, device] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host, maxRetries: 3 });
const refused = [];
analytics.on("error", (error) => refused.push(String(error.reason ?? error)));

analytics.identify({
  userId: user,
  anonymousId: device,
  traits: { name: "Ada", email: `Ada@${user}.example`, plan: "gold" },
});
analytics.track({ userId: user, event: "Item Purchased", properties: { itemPrice: 18.5 }, messageId: `${user}-once` });
analytics.track({ userId: user, event: "Item Purchased", properties: { itemPrice: 18.5 }, messageId: `${user}-once` });
analytics.page({ anonymousId: device, name: "Home", properties: { path: "/" } });
analytics.screen({ userId: user, name: "Cart" });
analytics.group({ userId: user, groupId: "acme", traits: { seats: 5 } });
analytics.alias({ userId: user, previousId: `${user}-before` });

await analytics.closeAndFlush();
for (const reason of refused) console.error(reason);
process.exitCode = refused.length;
