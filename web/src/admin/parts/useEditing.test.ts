import { act, renderHook } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { useEditing } from "./useEditing";

afterEach(() => sessionStorage.clear());

test("a form that has saved closes itself, not the one that was opened meanwhile", () => {
  const { result } = renderHook(() => useEditing("person"));
  act(() => result.current.create());
  const closeFirst = result.current.close;
  act(() => result.current.edit("ada"));
  act(() => closeFirst());
  expect(result.current.editing).toBe("ada");
  act(() => result.current.close());
  expect(result.current.editing).toBeNull();
});
