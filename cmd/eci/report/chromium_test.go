package report_test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// frame shows the report in a window of the width asked for and writes down what
// it measures.
const frame = `<!doctype html><title>measuring</title><iframe id="f" src="/report" style="border:0;width:%dpx;height:844px"></iframe>
<script>
document.getElementById("f").addEventListener("load", function () {
  var d = this.contentDocument, button = d.getElementById("theme"), before = d.documentElement.dataset.theme || "";
  var wide = d.documentElement.scrollWidth, inner = this.clientWidth;
  button.click();
  var words = d.querySelector(".hero .words").getBoundingClientRect();
  var background = getComputedStyle(d.body).backgroundColor;
  button.click();
  document.title = ["width", wide, inner, "top", Math.round(words.top), "button", button.hidden, "theme", before, d.documentElement.dataset.theme,
    "colors", background !== getComputedStyle(d.body).backgroundColor].join(" ");
});
</script>`

// TestChromium opens the page in a browser: no request leaves it, it does not
// scroll sideways on a phone, the theme can be changed, and it can be printed.
func TestChromium(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	page := render(t, demoData(t))
	mux := http.NewServeMux()
	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) { w.Write(page) })
	for _, width := range []int{390, 1280} {
		mux.HandleFunc(fmt.Sprintf("/frame%d", width), func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, frame, width) })
	}
	var others []string
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/favicon.ico" { // asked for by the browser, not by the page
			others = append(others, r.URL.Path)
		}
		http.NotFound(w, r)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	run := func(args ...string) []byte {
		t.Helper()
		args = append([]string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir()}, args...)
		command := exec.CommandContext(t.Context(), browser, args...)
		var out, errors bytes.Buffer
		command.Stdout, command.Stderr = &out, &errors
		if err := command.Run(); err != nil {
			t.Skipf("chromium does not run here: %v\n%s", err, errors.Bytes())
		}
		if refused := regexp.MustCompile(`.*(Refused to|Content Security Policy|Uncaught).*`).Find(errors.Bytes()); refused != nil {
			t.Errorf("the browser complains: %s", refused)
		}
		return out.Bytes()
	}
	for _, width := range []int{390, 1280} {
		dom := string(run("--enable-logging=stderr", "--virtual-time-budget=4000", "--window-size=1400,900", "--dump-dom", fmt.Sprintf("%s/frame%d", server.URL, width)))
		var wide, inner, top int
		_, title, _ := strings.Cut(dom, "<title>")
		title, _, _ = strings.Cut(title, "</title>")
		if _, err := fmt.Sscanf(title, "width %d %d top %d", &wide, &inner, &top); err != nil {
			t.Fatalf("nothing measured: %q", title)
		}
		if wide > inner || inner != width {
			t.Errorf("at %d: the page is %d wide in a window of %d", width, wide, inner)
		}
		if top > 200 {
			t.Errorf("at %d: the verdict begins at %d", width, top)
		}
		if !strings.Contains(title, "button false") || !strings.Contains(title, "colors true") {
			t.Errorf("at %d: the theme cannot be changed: %s", width, title)
		}
	}
	shot := filepath.Join(t.TempDir(), "page.png")
	run("--window-size=1280,900", "--screenshot="+shot, server.URL+"/report")
	raw, err := os.ReadFile(shot)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	colors := make(map[[3]uint32]bool)
	for y := range 900 {
		for x := range 1280 {
			r, g, b, _ := picture.At(x, y).RGBA()
			colors[[3]uint32{r, g, b}] = true
		}
	}
	if len(colors) < 20 {
		t.Errorf("a picture of %d colors: nothing was drawn", len(colors))
	}
	pdf := filepath.Join(t.TempDir(), "page.pdf")
	run("--print-to-pdf="+pdf, server.URL+"/report")
	if info, err := os.Stat(pdf); err != nil || info.Size() < 10_000 {
		t.Errorf("print: %v, %v", info, err)
	}
	if others != nil {
		t.Errorf("the page asked for %v", others)
	}
}
