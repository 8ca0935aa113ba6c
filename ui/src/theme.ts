import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const water: MantineColorsTuple = [
  "#e3f8fb",
  "#d3ecf1",
  "#a9d7e0",
  "#7bc1cf",
  "#56afc1",
  "#3ea4b8",
  "#2e9eb4",
  "#0b7285",
  "#0a6677",
  "#055764",
];

export const theme = createTheme({
  primaryColor: "water",
  primaryShade: { light: 7, dark: 7 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  colors: { water },
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "var(--outside-font)",
  cursorType: "pointer",
  defaultRadius: "sm",
  components: {
    Tooltip: { defaultProps: { events: { hover: true, focus: true, touch: true }, multiline: true, maw: 360 } },
    Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Drawer: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
  },
});

/** Where Mantine's own colours of text have a contrast below 4.5 on what they stand on here. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#5c636a",
    "--mantine-color-placeholder": "#6b7177",
    "--mantine-color-error": "#c92a2a",
    "--mantine-color-red-light-color": "#b02525",
    "--mantine-color-teal-light-color": "#066649",
    "--mantine-color-orange-light-color": "#9c3000",
    "--mantine-color-yellow-light-color": "#7a4f00",
  },
  dark: {
    "--mantine-color-dimmed": "#a6a9ad",
    "--mantine-color-placeholder": "#9a9da1",
    "--mantine-color-error": "#ff8787",
  },
});
