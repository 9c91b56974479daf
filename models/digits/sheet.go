package digits

import (
	"image"
	"image/color"
	"image/draw"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

const (
	sheetZoom   = 2 // how much larger than the image each is shown
	sheetMargin = 4 // pixels
	sheetText   = 12
)

// ContactSheet lays challenges out in rows of so many columns, each with its label below it, for people to look at.
func ContactSheet(challenges []Challenge, columns int) *image.Gray {
	columns = max(1, min(columns, len(challenges)))
	rows := (len(challenges) + columns - 1) / columns
	const cellWidth, cellHeight = sheetZoom*Size + sheetMargin, sheetZoom*Size + sheetText + sheetMargin
	sheet := image.NewGray(image.Rect(0, 0, columns*cellWidth+sheetMargin, rows*cellHeight+sheetMargin))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(color.Gray{Y: 255}), image.Point{}, draw.Src)
	for i, c := range challenges {
		left, top := sheetMargin+i%columns*cellWidth, sheetMargin+i/columns*cellHeight
		xdraw.NearestNeighbor.Scale(sheet, image.Rect(left, top, left+sheetZoom*Size, top+sheetZoom*Size), c.Image, c.Image.Rect, draw.Src, nil)
		text := font.Drawer{
			Dst: sheet, Src: image.Black, Face: basicfont.Face7x13,
			Dot: fixed.P(left+sheetZoom*Size/2-3, top+sheetZoom*Size+sheetText-1),
		}
		text.DrawString(string(rune('0' + c.Label)))
	}
	return sheet
}
