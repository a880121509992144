"""Speed and accuracy, measured and printed; nothing here is part of the tests."""
