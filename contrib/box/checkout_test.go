package box

import (
	"path/filepath"
	"testing"
)

func TestCheckout(t *testing.T) {
	root, err := Checkout()
	if err != nil {
		t.Fatal(err)
	}
	if here, err := filepath.Abs("."); err != nil || here != filepath.Join(root, "contrib", "box") {
		t.Errorf("the checkout of %s is %s, %v", here, root, err)
	}
	t.Chdir(t.TempDir())
	if root, err := Checkout(); err == nil {
		t.Errorf("outside it is %s", root)
	}
}
