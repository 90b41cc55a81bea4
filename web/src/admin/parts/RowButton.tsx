import { Button } from "@gouvfr-lasuite/cunningham-react";
import { About } from "./DataTable";

/** A button of a table's row. `of`: the row, for whoever hears the button alone. */
export function RowButton(props: {
  label: string;
  of: string;
  busy?: boolean;
  testId?: string;
  onClick: () => void;
}) {
  return (
    <Button
      type="button"
      variant="bordered"
      size="small"
      aria-disabled={props.busy}
      data-testid={props.testId}
      onClick={props.onClick}
    >
      <About label={props.label} of={props.of} />
    </Button>
  );
}
