import type { JsonObject } from "./json";

export type Template = { name: string; about: string; signals: readonly string[]; definition: JsonObject };

function person(...all: JsonObject[]): JsonObject {
  return { subject: "person", where: { all } };
}

/** Where to start from. Each is offered where its signals are. */
export const TEMPLATES: readonly Template[] = [
  {
    name: "Cart left behind",
    about: "Put something into the cart this week and has not ordered since",
    signals: ["addToCart", "ordered"],
    definition: person({ performed: "addToCart", within: "7d" }, { not: { performed: "ordered", within: "7d" } }),
  },
  {
    name: "Big spenders",
    about: "Bought for 5,000 or more in 90 days",
    signals: ["purchasedAProduct", "optedOut"],
    definition: person(
      { performed: "purchasedAProduct", sum: { of: "itemPrice", ">=": 5000 }, within: "90d" },
      { not: { performed: "optedOut" } },
    ),
  },
  {
    name: "Regulars gone quiet",
    about: "Ordered three times or more, and has not been seen for 30 days",
    signals: ["ordered", "pageViewed"],
    definition: person(
      { performed: "ordered", count: { ">=": 3 } },
      { not: { performed: "pageViewed", within: "30d" } },
      { not: { performed: "ordered", within: "30d" } },
    ),
  },
  {
    name: "Looked often, bought nothing",
    about: "Viewed three products or more this week without a purchase",
    signals: ["productViewed", "purchasedAProduct"],
    definition: person(
      { performed: "productViewed", count: { ">=": 3 }, within: "7d" },
      { not: { performed: "purchasedAProduct", within: "7d" } },
    ),
  },
  {
    name: "From cart to order within a day",
    about: "Those who make up their mind quickly",
    signals: ["addToCart", "ordered"],
    definition: {
      subject: "person",
      where: { sequence: [{ performed: "addToCart" }, { performed: "ordered" }], gap: "1d", within: "30d" },
    },
  },
  {
    name: "Fond of promo codes",
    about: "Used two codes or more, and still wants to hear from you",
    signals: ["usedAPromoCode", "optedOut"],
    definition: person(
      { performed: "usedAPromoCode", count: { ">=": 2 }, within: "90d" },
      { not: { performed: "optedOut" } },
    ),
  },
  {
    name: "New, and has not ordered yet",
    about: "Became a customer in the last two weeks",
    signals: ["customerCreated", "ordered"],
    definition: person({ performed: "customerCreated", within: "14d" }, { not: { performed: "ordered" } }),
  },
  {
    name: "Wishes that wait",
    about: "Put something on the wishlist this month and bought nothing",
    signals: ["addedToWishlist", "purchasedAProduct"],
    definition: person(
      { performed: "addedToWishlist", within: "30d" },
      { not: { performed: "purchasedAProduct", within: "30d" } },
    ),
  },
  {
    name: "Accounts at risk with a pressing ticket",
    about: "Health is at risk or critical, and a high or urgent ticket is open",
    signals: ["health-score", "support-ticket-opened"],
    definition: {
      subject: "account",
      where: {
        all: [
          { state: "health-score", in: ["at-risk", "critical"] },
          { performed: "support-ticket-opened", filter: { priority: { in: ["high", "urgent"] } }, within: "60d" },
        ],
      },
    },
  },
  {
    name: "Heavy API users",
    about: "5,000 calls or more in a week",
    signals: ["api-calls"],
    definition: { subject: "account", where: { all: [{ metric: "api-calls", periods: 7, ">=": 5000 }] } },
  },
  {
    name: "Reads the documentation, then asks",
    about: "Opened a ticket within a day of a visit to the documentation",
    signals: ["visited-documentation-page", "support-ticket-opened"],
    definition: {
      subject: "account",
      where: {
        sequence: [{ performed: "visited-documentation-page" }, { performed: "support-ticket-opened" }],
        gap: "1d",
        within: "30d",
      },
    },
  },
  {
    name: "Deals in negotiation",
    about: "Whose stage is negotiation now",
    signals: ["deal-stage"],
    definition: { subject: "deal", where: { all: [{ state: "deal-stage", is: "negotiation" }] } },
  },
];
